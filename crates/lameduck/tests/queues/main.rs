//! The promise `jobs-accounted`: the same statements for every queue that there is an adapter for,
//! on real servers, which are killed and come back, or do not.

#![cfg(any(
    feature = "apalis-postgres",
    feature = "apalis-redis",
    feature = "apalis-sqlite",
    feature = "async-nats",
    feature = "lapin"
))]
#![allow(dead_code, reason = "which of it is used depends on the features")]

mod diary;
mod forgetful;
mod relay;
mod server;
mod statements;
mod worker;

#[cfg(all(feature = "apalis", feature = "apalis-sqlite"))]
mod apalis_monitor;
#[cfg(feature = "apalis-postgres")]
mod apalis_postgres;
#[cfg(feature = "apalis-redis")]
mod apalis_redis;
#[cfg(feature = "apalis-sqlite")]
mod apalis_sqlite;
#[cfg(feature = "async-nats")]
mod async_nats;
#[cfg(feature = "lapin")]
mod lapin;
