//! Closers against real servers: what the report says, and what the server saw.
//!
//! `cargo test -p lameduck --test closers --features sqlx-postgres,redis,…`: only the modules of the
//! features that are on are there.

#![allow(clippy::unwrap_used)]

#[cfg(feature = "async-nats")]
mod async_nats;
#[cfg(all(feature = "bb8", feature = "redis"))]
mod bb8;
#[cfg(all(feature = "deadpool", feature = "redis"))]
mod deadpool;
mod flush;
#[cfg(any(feature = "lapin", feature = "redis", feature = "sqlx"))]
mod frozen;
#[cfg(feature = "lapin")]
mod lapin;
mod life;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "async-nats", feature = "redis"))]
mod relay;
#[cfg(feature = "sqlx")]
mod sqlx_mysql;
#[cfg(feature = "sqlx-postgres")]
mod sqlx_postgres;
#[cfg(all(feature = "sqlx", feature = "apalis-sqlite"))]
mod sqlx_sqlite;
#[cfg(feature = "tracing-appender")]
mod tracing_appender;
