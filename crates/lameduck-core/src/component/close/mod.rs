//! Closing pools and clients, after everything that uses them has ended.
//!
//! # What must hold
//!
//! 1. No closer starts before what is in flight has ended or was let go.
//! 2. Closers run one after the other, in the order in which they were named unless edges say
//!    otherwise ([`Lifecycle::depends_on`](crate::Lifecycle::depends_on)). One that hangs gets a fair share of
//!    the time that is left and at most the reserve (5 s of 30 s), never the time of those after
//!    it; telemetry, which is flushed last, has a reserve of its own ([`budget`](crate::shutdown::budget)).
//! 3. What a closer was still waiting for when its time was over is in the report, with what was
//!    still in the ledger at that moment: one of those holds it.
//! 4. What is not in use says goodbye in the way of its protocol, whatever else of the same pool is
//!    still in use.

use std::future::Future;
use std::time::Duration;

use crate::base::BoxError;

mod closer;
pub mod off_runtime;

pub(crate) use closer::{Closer, close_all};

/// Something that must be closed before the process ends. Implemented for the pools and clients
/// of other crates behind features of their names; for anything else there is
/// [`Lifecycle::close_with`](crate::Lifecycle::close_with).
///
/// ```
/// use std::time::Duration;
///
/// use lameduck_core::{BoxError, Close};
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
///     async fn waits_for(&self, _within: Duration) -> Option<String> {
///         Some("the disk".to_owned())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Close`",
    note = "pools and clients of other crates are wrapped by the crate for their product: `lameduck_sqlx::pool(pool)`, \
            `lameduck_redis::connection(it)`, `lameduck_nats::client(it)`, `lameduck_lapin::connection(it)`, \
            `lameduck_bb8::pool(pool)`, `lameduck_deadpool::pool(pool)`, `lameduck_opentelemetry::provider(it)`, \
            `lameduck_tracing_appender::guard(it)`; anything else by a closure, `close_with`"
)]
pub trait Close: Send + 'static {
    /// Whether dropping it may block for a while, as for a guard that flushes when it is dropped:
    /// then that is done on a thread of its own, and counts as a part of the closing. Default: `false`.
    const DROP_BLOCKS: bool = false;

    /// Closes it. Called once, when nothing uses it any more. Given up if it takes too long; it is
    /// dropped afterwards in any case.
    fn close(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// What a close that takes too long is waiting for, for example `2 of 10 connections still
    /// checked out`. Asked when the close has been given up, for a quarter of the closer's time and at
    /// most 300 ms, which are kept back for it: nothing is told of an answer that takes longer than
    /// `within`. Who has to ask somebody else should answer earlier with what it knows by itself.
    /// Default: nothing.
    fn waits_for(&self, within: Duration) -> impl Future<Output = Option<String>> + Send {
        let _ = within;
        std::future::ready(None)
    }
}
