//! The guard of a log that `tracing-appender` writes from a thread of its own. It writes the last
//! lines when it is dropped, and blocks for that: for 100 ms at the most until the writer takes
//! notice, then for 1 s at the most until it has written everything. It does not tell whether it has.

use ::tracing_appender::non_blocking::WorkerGuard;

use super::Close;
use crate::component::BoxError;

impl Close for WorkerGuard {
    const DROP_BLOCKS: bool = true;

    async fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
