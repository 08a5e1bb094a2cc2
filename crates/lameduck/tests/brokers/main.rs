//! The promise `jobs-accounted` for brokers: the same statements for each of them, on real servers
//! that are killed and come back, or do not.

#![cfg(any(feature = "apalis-redis", feature = "async-nats", feature = "lapin"))]

mod diary;
mod promises;
mod server;

#[cfg(feature = "async-nats")]
mod nats;
#[cfg(feature = "lapin")]
mod rabbitmq;
#[cfg(feature = "apalis-redis")]
mod redis;
