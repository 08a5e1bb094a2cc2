//! Where the clients of a round write what they saw.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::{Connection, Exchange, Lane, Socket};

/// Who a client is, for the ledger and for its random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) lane: Lane,
    pub(crate) number: u32,
}

/// The notebook of a round; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Notebook(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    exchanges: Vec<Exchange>,
    connections: Vec<Connection>,
    sockets: Vec<Socket>,
    shortages: BTreeMap<&'static str, u64>,
    begun: HashSet<Lane>,
    trouble: Option<String>,
}

impl Notebook {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self, exchange: Exchange) {
        self.book().exchanges.push(exchange);
    }

    pub(crate) fn record_connection(&self, connection: Connection) {
        self.book().connections.push(connection);
    }

    pub(crate) fn record_socket(&self, socket: Socket) {
        self.book().sockets.push(socket);
    }

    /// Looks at the requests that have ended so far.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&[Exchange]) -> T) -> T {
        at(&self.book().exchanges)
    }

    /// Takes what became of the WebSockets.
    pub(crate) fn take_sockets(&self) -> Vec<Socket> {
        std::mem::take(&mut self.book().sockets)
    }

    /// The prover did less than it should: it lacked something of its own.
    pub(crate) fn shortage(&self, of: &'static str) {
        *self.book().shortages.entry(of).or_default() += 1;
    }

    /// Takes what the prover lacked, and how often.
    pub(crate) fn take_shortages(&self) -> Vec<(&'static str, u64)> {
        std::mem::take(&mut self.book().shortages)
            .into_iter()
            .collect()
    }

    /// An answer of this load has begun: the first that is known of one that stays open.
    pub(crate) fn begun(&self, lane: Lane) {
        self.book().begun.insert(lane);
    }

    /// Whether one has.
    pub(crate) fn has_begun(&self, lane: Lane) -> bool {
        self.book().begun.contains(&lane)
    }

    /// What ends the run, if there is anything.
    pub(crate) fn in_trouble(&self) -> Option<String> {
        self.book().trouble.clone()
    }

    /// The prover itself is in trouble: nothing of this round counts.
    pub(crate) fn trouble(&self, what: String) {
        self.book().trouble = Some(what);
    }

    /// Takes what the clients wrote; `Err` when the prover itself was in trouble.
    pub(crate) fn take(&self) -> Result<(Vec<Exchange>, Vec<Connection>), String> {
        let book = std::mem::take(&mut *self.book());
        match book.trouble {
            Some(trouble) => Err(trouble),
            None => Ok((book.exchanges, book.connections)),
        }
    }
}
