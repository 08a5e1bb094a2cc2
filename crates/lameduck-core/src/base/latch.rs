//! Something that happens once, and everybody who waits for it.
//!
//! # What must hold
//!
//! 1. Who waits for a latch that is set, before or during the wait, does not sleep.
//! 2. A latch that is set stays set, and who sees it set sees everything that the thread which set it
//!    did before.
//!
//! Number 1 holds because a waiter looks again *after* it has enrolled, and whoever sets the latch
//! wakes everybody *after* it has set it (`waiters.rs`). A flag beside a `Notify` does the same by
//! hand, and is wrong as soon as somebody asks for the flag twice.
//!
//! `tests/model.rs` runs this file under a model checker.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::base::sync::{AtomicU8, Ordering};
use crate::base::waiters::{WaiterPlace, Waiters};

/// A switch that is thrown once, and that many may wait for.
pub struct Latch {
    set: AtomicU8,
    waiters: Waiters,
}

impl Default for Latch {
    fn default() -> Latch {
        Latch::new()
    }
}

impl Latch {
    /// Not thrown.
    pub fn new() -> Latch {
        Latch {
            set: AtomicU8::new(0),
            waiters: Waiters::new(),
        }
    }

    /// Sets it and wakes everybody; says whether this call was the first.
    pub fn set(&self) -> bool {
        let first = self.set.swap(1, Ordering::AcqRel) == 0;
        if first {
            self.waiters.wake_all();
        }
        first
    }

    #[inline]
    /// Whether it has been thrown.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire) != 0
    }

    /// Completes once it is set. Cancel safe.
    pub fn until_set(&self) -> UntilSet<'_> {
        UntilSet {
            latch: self,
            place: None,
        }
    }
}

/// Waits for a latch; made by [`Latch::until_set`].
#[must_use = "a latch is only waited for when this is awaited"]
pub struct UntilSet<'a> {
    latch: &'a Latch,
    place: Option<WaiterPlace>,
}

impl Future for UntilSet<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let latch = self.latch;
        if latch.is_set() {
            return Poll::Ready(());
        }
        latch.waiters.enrol(&mut self.place, cx.waker());
        match latch.is_set() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for UntilSet<'_> {
    fn drop(&mut self) {
        self.latch.waiters.leave(&mut self.place);
    }
}
