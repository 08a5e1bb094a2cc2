//! Every queue that there is an adapter for, on a real server, through the same scenarios.

mod scenario;

#[cfg(feature = "apalis-postgres")]
mod apalis_postgres;
#[cfg(feature = "apalis-sqlite")]
mod apalis_sqlite;
