//! The in-flight ledger: what is running, by kind, name and age.
//!
//! # What must hold
//!
//! 1. [`Ledger::is_empty`] says yes only if at some one moment during the call nothing was in
//!    flight. In particular, work that hands over (starts its successor, then ends) never looks
//!    like nothing, on whichever threads the two run.
//! 2. A task in [`Ledger::empty`] is woken after the last entry has ended.
//! 3. Starting and ending an entry never waits for anything but the short lock of the thread's
//!    own part of the ledger, never allocates for the entry once warm, and never touches a cache
//!    line that another thread writes, as long as entries end on the thread they began on.
//!
//! # Why it holds
//!
//! The ledger is split into shards, one per thread as far as there are enough. Each shard only
//! counts up: so many started, so many ended. `is_empty` first adds up all that *ended*, then all
//! that *started*. The second sum is at least what had started when the first was complete, and
//! that is at least the first sum; if the two are equal, nothing was in flight at the moment
//! between them (number 1).
//!
//! A waiter enrols, marks each shard as watched, and only then looks. The mark sits in the same
//! word (or under the same lock) as the count of what ended, so an end is either seen by the look
//! or sees the mark, and whoever sees the mark wakes the waiters (number 2).
//!
//! `tests/model.rs` runs this file under a model checker.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;

use crate::clock::Millis;
use crate::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::waiters::{Place, Waiters};

/// What a piece of work is called in reports. Made from a string, or shared with whoever already
/// has the text; nothing is formatted before somebody asks.
#[derive(Clone)]
pub struct Name(Text);

#[derive(Clone)]
enum Text {
    Str(Cow<'static, str>),
    Request(http::Method, http::Uri),
}

impl Name {
    /// `GET /orders/17`. Shares the text with the request.
    pub fn request(method: http::Method, uri: http::Uri) -> Name {
        Name(Text::Request(method, uri))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Text::Str(s) => f.write_str(s),
            Text::Request(method, uri) => {
                let target = uri.path_and_query().map_or("/", |t| t.as_str());
                write!(f, "{method} {target}")
            }
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl From<&'static str> for Name {
    fn from(s: &'static str) -> Name {
        Name(Text::Str(Cow::Borrowed(s)))
    }
}

impl From<String> for Name {
    fn from(s: String) -> Name {
        Name(Text::Str(Cow::Owned(s)))
    }
}

/// Something in flight, as [`Ledger::snapshot`] found it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What sort of thing: `request`, `job`, `connection`, or the application's own word.
    pub kind: &'static str,
    /// Its name, for example `GET /orders/17`.
    pub name: Name,
    /// How long it has been running, to within a few milliseconds.
    pub age: Duration,
}

/// How many of a kind have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What sort of thing.
    pub kind: &'static str,
    /// How many of it have ended since the process started.
    pub count: u64,
}

/// The ledger. Cheap to clone; all clones are one ledger.
#[derive(Clone)]
pub struct Ledger {
    shards: Arc<[Arc<Shard>]>,
    waiters: Arc<Waiters>,
}

/// A part of the ledger, on cache lines of its own.
#[repr(align(128))]
struct Shard {
    /// Counted without a name.
    started: AtomicUsize,
    /// Twice the number that ended, plus one if the shard is watched.
    ended: AtomicUsize,
    book: Mutex<Book>,
    waiters: Arc<Waiters>,
}

/// Those that have a name.
struct Book {
    open: Slab<Open>,
    ended: usize,
    ended_by_kind: Vec<Ended>,
    watched: bool,
}

struct Open {
    kind: &'static str,
    name: Name,
    since: Millis,
}

const WATCHED: usize = 1;
const ONE: usize = 2;

impl Shard {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing under this lock can panic half way, so a poisoned book is still a whole book.
        self.book.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn started(&self) -> usize {
        let named = {
            let book = self.book();
            book.ended.wrapping_add(book.open.len())
        };
        named.wrapping_add(self.started.load(Ordering::Acquire))
    }

    fn ended(&self) -> usize {
        let named = self.book().ended;
        named.wrapping_add(self.ended.load(Ordering::Acquire) / ONE)
    }

    fn watch(&self) {
        self.book().watched = true;
        self.ended.fetch_or(WATCHED, Ordering::AcqRel);
    }
}

impl Ledger {
    /// A ledger with a shard for each processor.
    pub fn new() -> Ledger {
        let threads = std::thread::available_parallelism().map_or(4, |n| n.get());
        // Twice as many as processors, so that a blocking or probe thread seldom shares one.
        Ledger::with_shards((2 * threads).next_power_of_two().min(64))
    }

    pub(crate) fn with_shards(n: usize) -> Ledger {
        let waiters = Arc::new(Waiters::new());
        let shards: Vec<_> = (0..n)
            .map(|_| {
                Arc::new(Shard {
                    started: AtomicUsize::new(0),
                    ended: AtomicUsize::new(0),
                    book: Mutex::new(Book {
                        open: Slab::new(),
                        ended: 0,
                        ended_by_kind: Vec::new(),
                        watched: false,
                    }),
                    waiters: waiters.clone(),
                })
            })
            .collect();
        Ledger {
            shards: shards.into(),
            waiters,
        }
    }

    fn shard(&self) -> &Arc<Shard> {
        &self.shards[thread_number() & (self.shards.len() - 1)]
    }

    /// Counts one piece of work as in flight until the token is dropped. The cheapest form: no
    /// name, no age, and so no line in the report.
    pub fn count(&self) -> Token {
        let shard = self.shard().clone();
        shard.started.fetch_add(1, Ordering::AcqRel);
        Token { shard }
    }

    /// Enters one piece of work under its kind and name until the guard is dropped.
    pub fn track(&self, kind: &'static str, name: impl Into<Name>) -> Guard {
        let shard = self.shard().clone();
        let key = shard.book().open.insert(Open {
            kind,
            name: name.into(),
            since: Millis::now(),
        });
        Guard { shard, key }
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are in flight. Exact when it is zero (see the module's doc); otherwise a figure
    /// that may be a few too high while work starts and ends.
    pub fn len(&self) -> usize {
        let ended = self.sum(Shard::ended);
        let started = self.sum(Shard::started);
        started.wrapping_sub(ended) & (usize::MAX / ONE)
    }

    fn sum(&self, of: impl Fn(&Shard) -> usize) -> usize {
        self.shards
            .iter()
            .map(|s| of(s))
            .fold(0, usize::wrapping_add)
    }

    /// Completes at a moment when nothing is in flight.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn empty(&self) {
        struct Enrolled<'a>(&'a Waiters, Option<Place>);
        impl Drop for Enrolled<'_> {
            fn drop(&mut self) {
                self.0.leave(&mut self.1);
            }
        }
        let mut enrolled = Enrolled(&self.waiters, None);
        poll_fn(|cx| self.poll_empty(&mut enrolled.1, cx)).await
    }

    fn poll_empty(&self, place: &mut Option<Place>, cx: &mut Context<'_>) -> Poll<()> {
        self.waiters.enrol(place, cx.waker());
        for shard in self.shards.iter() {
            shard.watch();
        }
        if self.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Everything in flight that has a name, oldest first.
    pub fn snapshot(&self) -> Vec<Entry> {
        let now = Millis::now();
        let mut entries: Vec<Entry> = Vec::new();
        for shard in self.shards.iter() {
            entries.extend(shard.book().open.iter().map(|(_, open)| Entry {
                kind: open.kind,
                name: open.name.clone(),
                age: open.since.until(now),
            }));
        }
        entries.sort_by_key(|e| std::cmp::Reverse(e.age));
        entries
    }

    /// How many of each kind have ended, in the order of their names.
    pub fn ended(&self) -> Vec<Ended> {
        let mut all: Vec<Ended> = Vec::new();
        for shard in self.shards.iter() {
            for e in &shard.book().ended_by_kind {
                add(&mut all, e.kind, e.count);
            }
        }
        all.sort_by_key(|e| e.kind);
        all
    }
}

fn add(to: &mut Vec<Ended>, kind: &'static str, count: u64) {
    match to
        .iter_mut()
        .find(|e| std::ptr::eq(e.kind, kind) || e.kind == kind)
    {
        Some(e) => e.count += count,
        None => to.push(Ended { kind, count }),
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger::new()
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("in_flight", &self.len())
            .finish()
    }
}

/// One piece of work counted as in flight; made by [`Ledger::count`]. May end on any thread.
#[must_use = "work is only counted while the token lives: keep it, `let _token = …`"]
pub struct Token {
    shard: Arc<Shard>,
}

impl Drop for Token {
    fn drop(&mut self) {
        let before = self.shard.ended.fetch_add(ONE, Ordering::AcqRel);
        if before & WATCHED != 0 {
            self.shard.waiters.wake_all();
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// One piece of work in the ledger, by kind, name and age; made by [`Ledger::track`]. May end on
/// any thread. Purposefully not `Clone`: two owners could not say who ends the work.
#[must_use = "work is only in flight while the guard lives: keep it, `let _guard = …`"]
pub struct Guard {
    shard: Arc<Shard>,
    key: usize,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (open, watched) = {
            let mut book = self.shard.book();
            let open = book.open.remove(self.key);
            book.ended = book.ended.wrapping_add(1);
            add(&mut book.ended_by_kind, open.kind, 1);
            (open, book.watched)
        };
        // The name is freed outside the lock.
        drop(open);
        if watched {
            self.shard.waiters.wake_all();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// A small number of its own for each thread.
fn thread_number() -> usize {
    use std::sync::atomic::AtomicUsize;
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
        // The thread is ending and its locals are gone: any shard will do.
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tracked_is_told_by_kind_name_and_age() {
        let ledger = Ledger::new();
        let first = ledger.track("request", "GET /a");
        let uri = "/orders/17?x=1".parse().unwrap();
        let second = ledger.track("request", Name::request(http::Method::POST, uri));
        let names: Vec<_> = ledger
            .snapshot()
            .iter()
            .map(|e| e.name.to_string())
            .collect();
        assert_eq!(names, ["GET /a", "POST /orders/17?x=1"]);
        assert_eq!(ledger.len(), 2);
        drop((first, second));
        assert!(ledger.is_empty() && ledger.snapshot().is_empty());
        assert_eq!(
            ledger.ended(),
            [Ended {
                kind: "request",
                count: 2
            }]
        );
    }

    #[tokio::test]
    async fn empty_waits_for_the_last_of_both_sorts() {
        let ledger = Ledger::new();
        let (token, guard) = (ledger.count(), ledger.track("job", "receipt 1"));
        let waiter = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.empty().await }
        });
        tokio::task::yield_now().await;
        std::thread::spawn(move || drop(guard)).join().unwrap();
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        drop(token);
        waiter.await.unwrap();
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_leaves_nothing_behind() {
        let ledger = Ledger::new();
        let _token = ledger.count();
        for _ in 0..10 {
            tokio::select! {
                biased;
                _ = ledger.empty() => unreachable!("the token is still held"),
                _ = std::future::ready(()) => {}
            }
        }
        assert_eq!(ledger.waiters.len(), 0);
    }
}
