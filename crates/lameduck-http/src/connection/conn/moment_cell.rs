//! A moment that one task writes and others read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use lameduck_core::internal::clock::Millis;

/// A moment that may not have come.
#[derive(Default)]
pub(super) struct MomentCell(AtomicU64);

impl MomentCell {
    pub(super) fn get(&self) -> Option<Millis> {
        self.0.load(Relaxed).checked_sub(1).map(Millis)
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    pub(super) fn set(&self, at: Millis) {
        self.0.store(at.0 + 1, Relaxed);
    }

    /// Says whether this was the first time.
    pub(super) fn set_once(&self, at: Millis) -> bool {
        let first = !self.is_set();
        if first {
            self.set(at);
        }
        first
    }

    #[cfg_attr(not(feature = "rustls"), allow(dead_code))]
    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}
