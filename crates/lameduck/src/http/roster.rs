//! The list of a server's connections.
//!
//! # What must hold
//!
//! From the first connection taken to the last one gone, every connection is on the list.

use std::sync::{Arc, Mutex, MutexGuard};

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::conn::Conn;

/// The list.
#[derive(Default)]
pub(super) struct Roster {
    conns: Mutex<Slab<Arc<Conn>>>,
    /// Told when the list becomes empty.
    pub(super) empty: Notify,
    /// Told when a connection comes onto an empty list.
    pub(super) first: Notify,
}

impl Roster {
    fn conns(&self) -> MutexGuard<'_, Slab<Arc<Conn>>> {
        // Nothing under this lock can panic half way.
        self.conns.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Puts a connection on the list for as long as the result lives, with what lets another one in
    /// when it is gone.
    pub(super) fn enter(
        self: &Arc<Self>,
        conn: Arc<Conn>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Listed {
        let mut conns = self.conns();
        if conns.is_empty() {
            self.first.notify_one();
        }
        Listed {
            key: conns.insert(conn),
            roster: self.clone(),
            _place: place,
        }
    }

    /// Looks at every connection, by its number; returns how many there are.
    pub(super) fn each(&self, mut look: impl FnMut(usize, &Conn)) -> usize {
        let conns = self.conns();
        for (nth, conn) in conns.iter() {
            look(nth, conn);
        }
        conns.len()
    }
}

/// A connection's place on the list.
pub(super) struct Listed {
    roster: Arc<Roster>,
    key: usize,
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let gone = {
            let mut conns = self.roster.conns();
            let gone = conns.try_remove(self.key);
            if conns.is_empty() {
                self.roster.empty.notify_waiters();
            }
            gone
        };
        drop(gone);
    }
}
