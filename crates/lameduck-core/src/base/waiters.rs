//! A list of tasks that wait for something to change.
//!
//! # What must hold
//!
//! A task that enrols *before* it looks at the thing it waits for is woken by every change made
//! *after* that look, if whoever changes the thing calls [`Waiters::wake_all`] after the change.
//! Both sides take the lock, so one of them comes first: either the change is seen by the look, or
//! the waker is seen by `wake_all`.
//!
//! No waker runs under the lock, so one that comes back here cannot deadlock.

use std::task::Waker;

use slab::Slab;

use crate::base::sync::{Mutex, MutexGuard};

pub(crate) struct Waiters {
    list: Mutex<WaiterList>,
}

struct WaiterList {
    wakers: Slab<Waker>,
    /// How often everybody was woken. A place from an earlier turn is void.
    turn: usize,
}

/// A place on the list. To be given up with [`Waiters::leave`].
pub(crate) struct WaiterPlace {
    key: usize,
    turn: usize,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        Waiters {
            list: Mutex::new(WaiterList {
                wakers: Slab::new(),
                turn: 0,
            }),
        }
    }

    fn list(&self) -> MutexGuard<'_, WaiterList> {
        // Nothing under this lock can panic half way, so a poisoned list is still a whole list.
        self.list.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Puts `waker` on the list, in the place it already has if it has one.
    pub(crate) fn enrol(&self, place: &mut Option<WaiterPlace>, waker: &Waker) {
        let mut list = self.list();
        match place {
            Some(p) if p.turn == list.turn => list.wakers[p.key].clone_from(waker),
            _ => {
                // Most lists that there are many of have one waiter.
                if list.wakers.capacity() == 0 {
                    list.wakers.reserve_exact(1);
                }
                *place = Some(WaiterPlace {
                    key: list.wakers.insert(waker.clone()),
                    turn: list.turn,
                })
            }
        }
    }

    /// Gives the place up.
    pub(crate) fn leave(&self, place: &mut Option<WaiterPlace>) {
        if let Some(p) = place.take() {
            let mut list = self.list();
            if p.turn == list.turn {
                list.wakers.remove(p.key);
            }
        }
    }

    /// Wakes everybody and empties the list.
    pub(crate) fn wake_all(&self) {
        let woken = {
            let mut list = self.list();
            list.turn = list.turn.wrapping_add(1);
            std::mem::take(&mut list.wakers)
        };
        for (_, waker) in woken {
            waker.wake();
        }
    }
}
