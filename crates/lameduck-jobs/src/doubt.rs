//! Whether the queue may believe that we hold something which nobody here knows of.
//!
//! # What must hold
//!
//! A doubt that is raised while somebody sees to an earlier one is seen to afterwards.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A doubt, and who waits for one.
#[derive(Default)]
pub(super) struct Doubt {
    raised: AtomicBool,
    changed: Notify,
}

impl Doubt {
    pub(super) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Says whether there was one, and takes it upon the caller to see to it.
    pub(super) fn take(&self) -> bool {
        self.raised.swap(false, Ordering::AcqRel)
    }

    /// Completes when there is one, which stays until it is taken. For one at a time; cancel safe.
    pub(super) async fn until_raised(&self) {
        while !self.raised.load(Ordering::Acquire) {
            self.changed.notified().await;
        }
    }
}
