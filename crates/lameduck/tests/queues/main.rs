//! Every queue that there is an adapter for, on a real server, through the same scenarios.

#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

mod scenario;

#[cfg(all(feature = "apalis", feature = "apalis-sqlite"))]
mod apalis_monitor;
#[cfg(feature = "apalis-postgres")]
mod apalis_postgres;
#[cfg(feature = "apalis-sqlite")]
mod apalis_sqlite;
