//! Jobs in the storages of [`apalis`](https://docs.rs/apalis-core) 1.0 for [lameduck](https://docs.rs/lameduck), which any
//! `apalis` program may push or run; and a whole `Monitor` as a task.
//!
//! The storage is driven directly: what it does with rows and keys is `apalis`, the loop around it
//! is ours, because the worker of `apalis` drops a fetch under way when it stops, waits without a
//! bound for its tasks, and keeps no lease once it is stopping.
//!
//! The lease is the worker's: while its heartbeat is younger than the lease, everything that it
//! has fetched is its own. `apalis` counts in whole seconds. A job that goes back counts as an
//! attempt.

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
