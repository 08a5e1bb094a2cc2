//! Work that may block, on a thread of its own.
//!
//! Not `spawn_blocking`: its threads may all be taken by whatever holds the shutdown up, and the end
//! of the runtime waits for each of them without end (tokio#5338).

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::base::BoxError;

/// Does `work` on a thread of its own, within the runtime's context, so that it may spawn. Dropping
/// the future leaves the thread to finish by itself. A panic is an error.
pub async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BoxError> {
    let runtime = Handle::current();
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("lameduck-close".to_owned())
        .spawn(move || {
            let _context = runtime.enter();
            // Nobody may be waiting any more.
            let _ = done.send(work());
        })?;
    ended.await.map_err(|_| "panicked".into())
}
