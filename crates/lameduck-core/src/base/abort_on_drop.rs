//! A task that does not outlive whoever waits for it.

use tokio::task::JoinHandle;

/// Aborts its task when it is dropped.
pub(crate) struct AbortOnDrop<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
