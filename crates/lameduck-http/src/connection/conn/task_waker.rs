//! How a connection's task is woken.

use std::sync::OnceLock;
use std::sync::atomic::{Ordering::SeqCst, fence};
use std::task::{Context, Waker};

/// Wakes the connection's task, however often. A task keeps its waker for life, so it is taken once;
/// an `AtomicWaker` gives its waker away when it wakes, and stays mute until the task has brought
/// another.
#[derive(Default)]
pub(crate) struct TaskWaker(OnceLock<Waker>);

impl TaskWaker {
    /// To be called by the task before it looks at what it may be woken for.
    #[inline]
    pub(crate) fn register(&self, cx: &Context<'_>) {
        if self.0.get().is_none() {
            let _ = self.0.set(cx.waker().clone());
            // Either we see what was written before `wake`, or `wake` sees our waker.
            fence(SeqCst);
        }
    }

    /// To be called after what the task shall look at was written.
    pub(crate) fn wake(&self) {
        fence(SeqCst);
        if let Some(waker) = self.0.get() {
            waker.wake_by_ref();
        }
    }
}
