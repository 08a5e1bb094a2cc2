//! Where the clients of a round write what they saw: a book for each of the threads that they live on, so that none
//! waits for another.
//!
//! # What must hold
//! - What was written is there for whoever looks or takes afterwards, whichever thread wrote it.
//! - What is taken is in the order in which it ended, as if there were one book.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::ledger::{Connection, Exchange, Lane, Socket};

/// Who a client is, for the ledger and for its random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) lane: Lane,
    pub(crate) number: u32,
}

/// The notebook of a round; cheap to clone.
#[derive(Clone)]
pub(crate) struct Notebook(Arc<Notes>);

struct Notes {
    shared: Mutex<SharedPage>,
    pages: Vec<Mutex<CoreNotes>>,
}

/// What is written for each request: on a page of the thread's own, and on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct CoreNotes {
    exchanges: Vec<Exchange>,
    connections: Vec<Connection>,
}

/// What is written now and then.
#[derive(Default)]
struct SharedPage {
    sockets: Vec<Socket>,
    shortages: BTreeMap<&'static str, u64>,
    begun: HashSet<Lane>,
    trouble: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This thread among all that ever wrote.
fn thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}

impl Default for Notebook {
    fn default() -> Self {
        // More than there are threads that write at once; two that share a page only wait for each other.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let page = |_| Mutex::default();
        Self(Arc::new(Notes {
            shared: Mutex::default(),
            pages: (0..threads * 2).map(page).collect(),
        }))
    }
}

impl Notebook {
    fn page(&self) -> MutexGuard<'_, CoreNotes> {
        let pages = &self.0.pages;
        lock(&pages[thread() % pages.len()])
    }

    fn shared(&self) -> MutexGuard<'_, SharedPage> {
        lock(&self.0.shared)
    }

    pub(crate) fn record(&self, exchange: Exchange) {
        self.page().exchanges.push(exchange);
    }

    pub(crate) fn record_connection(&self, connection: Connection) {
        self.page().connections.push(connection);
    }

    pub(crate) fn record_socket(&self, socket: Socket) {
        self.shared().sockets.push(socket);
    }

    /// Looks at the requests that have ended so far, in as many pieces as there are pages.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&[&[Exchange]]) -> T) -> T {
        let pages: Vec<_> = self.0.pages.iter().map(lock).collect();
        let pieces: Vec<_> = pages.iter().map(|page| &page.exchanges[..]).collect();
        at(&pieces)
    }

    /// Takes what became of the WebSockets.
    pub(crate) fn take_sockets(&self) -> Vec<Socket> {
        std::mem::take(&mut self.shared().sockets)
    }

    /// The prover did less than it should: it lacked something of its own.
    pub(crate) fn shortage(&self, of: &'static str) {
        *self.shared().shortages.entry(of).or_default() += 1;
    }

    /// Takes what the prover lacked, and how often.
    pub(crate) fn take_shortages(&self) -> Vec<(&'static str, u64)> {
        let shortages = std::mem::take(&mut self.shared().shortages);
        shortages.into_iter().collect()
    }

    /// An answer of this load has begun: the first that is known of one that stays open.
    pub(crate) fn begun(&self, lane: Lane) {
        self.shared().begun.insert(lane);
    }

    /// Whether one has.
    pub(crate) fn has_begun(&self, lane: Lane) -> bool {
        self.shared().begun.contains(&lane)
    }

    /// What ends the run, if there is anything.
    pub(crate) fn in_trouble(&self) -> Option<String> {
        self.shared().trouble.clone()
    }

    /// The prover itself is in trouble: nothing of this round counts.
    pub(crate) fn trouble(&self, what: String) {
        self.shared().trouble = Some(what);
    }

    /// Takes what ended before this moment, each load in order. What is looked at later lacks it.
    pub(crate) fn take_ended(&self, before: Instant) -> (Vec<Exchange>, Vec<Connection>) {
        let mut all = CoreNotes::default();
        for page in &self.0.pages {
            let mut page = lock(page);
            let ended = page.exchanges.extract_if(.., |it| it.ended < before);
            all.exchanges.extend(ended);
            let ended = page.connections.extract_if(.., |it| it.ended < before);
            all.connections.extend(ended);
        }
        (all.exchanges, all.connections)
    }

    /// Takes what the clients wrote; `Err` when the prover itself was in trouble.
    pub(crate) fn take(&self) -> Result<(Vec<Exchange>, Vec<Connection>), String> {
        let mut all = CoreNotes::default();
        for page in &self.0.pages {
            let page = std::mem::take(&mut *lock(page));
            match all.exchanges.is_empty() {
                // Most often there is but one that is long: it is not copied.
                true => all.exchanges = page.exchanges,
                false => all.exchanges.extend(page.exchanges),
            }
            all.connections.extend(page.connections);
        }
        all.exchanges.sort_unstable_by_key(|it| it.ended);
        all.connections.sort_unstable_by_key(|it| it.ended);
        match self.shared().trouble.take() {
            Some(trouble) => Err(trouble),
            None => Ok((all.exchanges, all.connections)),
        }
    }
}
