//! What [`phase`](crate::shutdown::phase) and [`inflight`](crate::inflight) need of threads, named once so
//! that the model checker can put its own in their place (`tests/model.rs`).

pub(crate) use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

/// A small number of its own for each thread, so that threads can keep out of each other's way.
#[inline]
pub(crate) fn thread_number() -> usize {
    use std::cell::Cell;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local!(static NUMBER: Cell<usize> = const { Cell::new(NONE) });
    NUMBER
        .try_with(|number| {
            if number.get() == NONE {
                number.set(NEXT.fetch_add(1, Ordering::Relaxed));
            }
            number.get()
        })
        // The thread is ending and its locals are gone: any number will do.
        .unwrap_or(0)
}
