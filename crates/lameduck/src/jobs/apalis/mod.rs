//! Queues in the storages of `apalis` 1.0, for jobs that any `apalis` program may push or run.
//!
//! The storage is driven directly: what it does with rows and keys is `apalis`, the loop around it
//! is ours, because the worker of `apalis` drops a fetch under way when it stops, waits without a
//! bound for its tasks, and keeps no lease once it is stopping.
//!
//! The lease is the worker's: while its heartbeat is younger than the lease, everything that it
//! has fetched is its own. `apalis` counts in whole seconds. A job that goes back counts as an
//! attempt.

#[cfg(feature = "apalis-postgres")]
mod listener;
#[cfg(feature = "apalis")]
pub(super) mod monitor;
#[cfg(feature = "apalis-postgres")]
pub(super) mod postgres;
#[cfg(any(feature = "apalis-postgres", feature = "apalis-sqlite"))]
mod seat;
#[cfg(any(feature = "apalis-postgres", feature = "apalis-sqlite"))]
mod session;
#[cfg(feature = "apalis-sqlite")]
pub(super) mod sqlite;
