//! The list of a server's connections.
//!
//! # What must hold
//!
//! From the first connection taken to the last one gone, every connection is on the list.

use std::sync::{Arc, Mutex, MutexGuard};

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::conn::Conn;
use lameduck_core::internal::clock::Millis;

/// The list.
#[derive(Default)]
pub(crate) struct ConnectionList {
    list: Mutex<Entries>,
    /// Told when the list becomes empty.
    pub(crate) empty: Notify,
    /// Told when somebody has to be looked at sooner than was thought: a connection comes onto a list
    /// that was seen empty, or a peer sends its FIN while it is answered.
    pub(crate) look: Arc<Notify>,
}

#[derive(Default)]
struct Entries {
    conns: Slab<Arc<Conn>>,
    /// Whether there was nobody when somebody last looked.
    seen_empty: bool,
    /// When the last byte went on any connection that is gone.
    last_byte: Option<Millis>,
}

impl ConnectionList {
    fn list(&self) -> MutexGuard<'_, Entries> {
        // Nothing under this lock can panic half way.
        self.list.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Puts a connection on the list for as long as the result lives, with what lets another one in
    /// when it is gone.
    pub(crate) fn enter(
        self: &Arc<Self>,
        conn: Arc<Conn>,
        place: Option<OwnedSemaphorePermit>,
    ) -> ListedConnection {
        let mut list = self.list();
        if std::mem::take(&mut list.seen_empty) {
            self.look.notify_one();
        }
        ListedConnection {
            key: list.conns.insert(conn),
            connections: self.clone(),
            _place: place,
        }
    }

    /// When the last byte went on any connection that is gone.
    pub(crate) fn last_byte_of_gone(&self) -> Option<Millis> {
        self.list().last_byte
    }

    /// Looks at every connection, by its number; returns how many there are.
    pub(crate) fn each(&self, mut look: impl FnMut(usize, &Conn)) -> usize {
        let mut list = self.list();
        for (nth, conn) in list.conns.iter() {
            look(nth, conn);
        }
        list.seen_empty = list.conns.is_empty();
        list.conns.len()
    }
}

/// A connection's place on the list.
pub(crate) struct ListedConnection {
    connections: Arc<ConnectionList>,
    key: usize,
    _place: Option<OwnedSemaphorePermit>,
}

impl Drop for ListedConnection {
    fn drop(&mut self) {
        let gone = {
            let mut list = self.connections.list();
            let gone = list.conns.try_remove(self.key);
            let last_byte = gone.as_ref().map(|conn| conn.snapshot().last_byte);
            list.last_byte = list.last_byte.max(last_byte);
            if list.conns.is_empty() {
                self.connections.empty.notify_waiters();
            }
            gone
        };
        drop(gone);
    }
}
