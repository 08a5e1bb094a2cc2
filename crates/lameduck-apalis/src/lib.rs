#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "postgres")]
mod listener;
#[cfg(feature = "monitor")]
mod monitor;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod seat;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod session;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "redis")]
pub use self::redis::ApalisRedis;
#[cfg(feature = "monitor")]
pub use monitor::monitor;
#[cfg(feature = "postgres")]
pub use postgres::ApalisPostgres;
#[cfg(feature = "sqlite")]
pub use sqlite::ApalisSqlite;
