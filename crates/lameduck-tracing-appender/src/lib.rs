//! Has a log that [`tracing-appender`](https://docs.rs/tracing-appender) writes take down its last lines, for
//! [lameduck](https://docs.rs/lameduck).
//!
//! The thread of the log has a guard. It writes the last
//! lines when it is dropped, and blocks for that: for 100 ms at the most until the writer takes
//! notice, then for 1 s at the most until it has written everything. It does not tell whether it has.

use lameduck_core::{BoxError, Close};
use tracing_appender::non_blocking::WorkerGuard;

/// A guard that is dropped last of all. Give it to [`Lifecycle::flush`](lameduck_core::Lifecycle::flush).
pub fn guard(guard: WorkerGuard) -> LogGuard {
    LogGuard(guard)
}

/// What [`guard`] makes.
#[derive(Debug)]
pub struct LogGuard(#[expect(dead_code, reason = "it acts when it is dropped")] WorkerGuard);

impl Close for LogGuard {
    const DROP_BLOCKS: bool = true;

    async fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
