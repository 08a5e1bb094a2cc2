#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

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
