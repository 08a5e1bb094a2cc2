//! Whether the queue may believe that we hold something which nobody here knows of.
//!
//! # What must hold
//!
//! One that is raised while somebody reconciles for an earlier one is seen to afterwards.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Raised where what we hold has to be reconciled with what the queue believes.
#[derive(Default)]
pub(crate) struct ReconcileFlag {
    raised: AtomicBool,
    changed: Notify,
}

impl ReconcileFlag {
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Says whether there was one, and takes it upon the caller to see to it.
    pub(crate) fn take(&self) -> bool {
        self.raised.swap(false, Ordering::AcqRel)
    }

    /// Completes when there is one, which stays until it is taken. For one at a time; cancel safe.
    pub(crate) async fn until_raised(&self) {
        while !self.raised.load(Ordering::Acquire) {
            self.changed.notified().await;
        }
    }
}
