//! Closing pools and clients, after everything that uses them has ended.
//!
//! # What must hold
//!
//! 1. No closer starts before what is in flight has ended or was let go.
//! 2. Closers run one after the other, in the order in which they were named unless edges say
//!    otherwise ([`Lifecycle::uses`](crate::Lifecycle::uses)). One that hangs gets a fair share of
//!    the time that is left and at most the reserve (5 s of 30 s), never the time of those after
//!    it; telemetry, which is flushed last, has a reserve of its own ([`budget`](crate::budget)).
//! 3. What a closer was still waiting for when its time was over is in the report, with what was
//!    still in the ledger at that moment: one of those holds it.
//! 4. What is not in use says goodbye in the way of its protocol, whatever else of the same pool is
//!    still in use.
//!
//! | file | closes | the goodbye |
//! |---|---|---|
//! | `sqlx` | pools of PostgreSQL, MySQL, SQLite | Terminate, COM_QUIT, a checkpoint |
//! | `deadpool`, `bb8` | pools of anything | whatever the driver says when a connection is dropped |
//! | `redis` | a multiplexed connection, a connection manager | `QUIT` |
//! | `async_nats` | a client | drains its subscriptions, flushes, then FIN |
//! | `lapin` | a connection | Connection.Close and Close-Ok |
//! | `tracing_appender` | the guard of a log that is written by another thread | the last lines |
//! | `opentelemetry` | providers of traces, metrics, logs | the last export |

use std::future::Future;

use crate::component::BoxError;

#[cfg(feature = "async-nats")]
mod async_nats;
#[cfg(feature = "bb8")]
mod bb8;
mod closer;
#[cfg(feature = "deadpool")]
mod deadpool;
#[cfg(feature = "lapin")]
mod lapin;
mod off_runtime;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "sqlx-postgres")]
mod own_ports;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlx")]
mod sqlx;
#[cfg(feature = "sqlx-postgres")]
mod sqlx_postgres;
#[cfg(feature = "tracing-appender")]
mod tracing_appender;

pub(crate) use closer::{Closer, close_all};

/// Something that must be closed before the process ends. Implemented for the pools and clients
/// of other crates behind features of their names; for anything else there is
/// [`Lifecycle::close_with`](crate::Lifecycle::close_with).
///
/// ```
/// use lameduck::{BoxError, Close};
///
/// struct Lease {
///     file: std::fs::File,
/// }
///
/// impl Close for Lease {
///     async fn close(&mut self) -> Result<(), BoxError> {
///         Ok(self.file.sync_all()?)
///     }
///
///     async fn waits_for(&self) -> Option<String> {
///         Some("the disk".to_owned())
///     }
/// }
/// ```
pub trait Close: Send + 'static {
    /// Whether dropping it may block for a while, as for a guard that flushes when it is dropped:
    /// then that is done on a thread of its own, and counts as a part of the closing. `false`
    /// unless told.
    const DROP_BLOCKS: bool = false;

    /// Closes it. Called once, when nothing uses it any more. Given up if it takes too long; it is
    /// dropped afterwards in any case.
    fn close(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// What a close that takes too long is waiting for, for example `2 of 10 connections still
    /// checked out`. Asked when the close has been given up, for at most 300 ms, which are kept
    /// back from the closer's time.
    fn waits_for(&self) -> impl Future<Output = Option<String>> + Send {
        std::future::ready(None)
    }
}
