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
//! 4. Only the first end in a shard after a waiter's look pays for waking it: a waiter that came
//!    and went leaves nothing that slows later entries down.
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
//! or sees the mark. Whoever sees the mark takes it off and *then* wakes all waiters, so each waiter
//! whose mark is gone has been woken since, and marks again when it looks again (numbers 2 and 4).
//!
//! `tests/model.rs` runs this file under a model checker.
//!
//! # Why the shards live for ever
//!
//! An entry must reach its shard when it ends, however late that is. A counted pointer would do,
//! but counting it is half of all that [`Ledger::track_unnamed`] does (`lameduck-bench track`). So shards
//! are `'static`: a ledger that is gone leaves its shards, a few hundred bytes each, to the next
//! one. A process has one ledger; a test that makes thousands re-uses the same few.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

pub(crate) use self::table::add;
use self::table::{EntryTable, TableLine};
use crate::base::clock::Millis;
use crate::base::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, thread_number};
use crate::base::waiters::{WaiterPlace, Waiters};

pub use self::name::Name;
pub use self::table::Ended;

pub mod kind;
mod name;
mod table;

/// Something in flight, as [`Ledger::snapshot`] found it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What sort of thing: `request`, `job`, `connection`, or the application's own word.
    pub kind: &'static str,
    /// Its name, for example `GET /orders/17`.
    pub name: Name,
    /// How long it has been running, to within a few milliseconds.
    pub age: Duration,
    #[doc(hidden)]
    pub id: EntryId,
}

/// Which entry it is, whatever it is called: no other of its ledger has the same, not even a later one.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryId {
    /// Where the shard is that it is in: a shard lives for ever.
    shard: usize,
    nth: usize,
}

/// Something in flight, without its name: to look at 100,000 of them takes some milliseconds.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Unnamed {
    pub id: EntryId,
    pub kind: &'static str,
    since: Millis,
    /// Where it is.
    shard: usize,
    key: usize,
}

/// Part of what is in flight; made by [`Ledger::page`].
#[doc(hidden)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// How many have a name in all.
    pub named: usize,
    /// The same by kind.
    pub by_kind: Vec<(&'static str, u64)>,
}

impl EntryId {
    fn of(shard: &'static Shard, line: &TableLine) -> EntryId {
        EntryId {
            shard: std::ptr::from_ref(shard).addr(),
            nth: line.nth(),
        }
    }
}

impl Entry {
    fn of(shard: &'static Shard, line: &TableLine, now: Millis) -> Entry {
        Entry {
            id: EntryId::of(shard, line),
            kind: line.kind,
            name: line.name.clone(),
            age: line.since.until(now),
        }
    }
}

/// The ledger. Cheap to clone; all clones are one ledger.
#[derive(Clone)]
pub struct Ledger {
    parts: LedgerParts,
    _lease: Arc<Lease>,
}

/// What a ledger is made of. Lives for ever, but not in vain: see [`Lease`].
#[derive(Clone, Copy)]
struct LedgerParts {
    shards: &'static [Shard],
    waiters: &'static Waiters,
}

/// Leaves the parts to a later ledger when the last clone of this one is gone.
struct Lease(LedgerParts);

/// A part of the ledger, on cache lines of its own.
#[repr(align(128))]
struct Shard {
    /// Counted without a name.
    started: AtomicUsize,
    /// Twice the number that ended, plus one if the shard is watched.
    ended: AtomicUsize,
    /// Those that have a name.
    book: Mutex<EntryTable>,
    waiters: &'static Waiters,
}

const WATCHED: usize = 1;
const ONE: usize = 2;

impl Shard {
    #[inline]
    fn book(&self) -> MutexGuard<'_, EntryTable> {
        // Nothing under this lock can panic half way, so a poisoned book is still a whole book.
        self.book.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn started(&self) -> usize {
        let named = {
            let book = self.book();
            book.ended.wrapping_add(book.open)
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

    #[cold]
    fn last_look_is_out_of_date(&self) {
        // In this order: a waiter that marks in between is woken too, and looks and marks again.
        self.ended.fetch_and(!WATCHED, Ordering::AcqRel);
        self.waiters.wake_all();
    }
}

impl LedgerParts {
    fn new(shards: usize) -> LedgerParts {
        let waiters: &'static Waiters = Box::leak(Box::new(Waiters::new()));
        let shards: Vec<Shard> = (0..shards)
            .map(|_| Shard {
                started: AtomicUsize::new(0),
                ended: AtomicUsize::new(0),
                book: Mutex::new(EntryTable::new()),
                waiters,
            })
            .collect();
        LedgerParts {
            shards: Box::leak(shards.into_boxed_slice()),
            waiters,
        }
    }

    /// The parts of a ledger that is gone and whose entries have all ended.
    fn spare(shards: usize) -> Option<LedgerParts> {
        let mut spare = SPARE.lock().unwrap_or_else(|e| e.into_inner());
        let fit = |p: &LedgerParts| p.shards.len() == shards && p.in_flight() == 0;
        let parts = spare.iter().position(fit).map(|i| spare.swap_remove(i))?;
        for shard in parts.shards {
            shard.book().renew();
        }
        Some(parts)
    }

    fn in_flight(&self) -> usize {
        let sum = |of: fn(&Shard) -> usize| self.shards.iter().map(of).fold(0, usize::wrapping_add);
        let ended = sum(Shard::ended);
        let started = sum(Shard::started);
        started.wrapping_sub(ended) & (usize::MAX / ONE)
    }
}

static SPARE: std::sync::Mutex<Vec<LedgerParts>> = std::sync::Mutex::new(Vec::new());

impl Drop for Lease {
    fn drop(&mut self) {
        SPARE.lock().unwrap_or_else(|e| e.into_inner()).push(self.0);
    }
}

impl Ledger {
    /// A ledger with a shard for each processor.
    pub fn new() -> Ledger {
        let threads = std::thread::available_parallelism().map_or(4, |n| n.get());
        // Twice as many as processors, so that a blocking or probe thread seldom shares one.
        let shards = (2 * threads).next_power_of_two().min(64);
        match LedgerParts::spare(shards) {
            Some(parts) => Ledger::of(parts),
            None => Ledger::with_shards(shards),
        }
    }

    /// A ledger of new shards; their number must be a power of two.
    pub(crate) fn with_shards(shards: usize) -> Ledger {
        debug_assert!(shards.is_power_of_two());
        Ledger::of(LedgerParts::new(shards))
    }

    fn of(parts: LedgerParts) -> Ledger {
        Ledger {
            parts,
            _lease: Arc::new(Lease(parts)),
        }
    }

    #[inline]
    fn shard(&self) -> &'static Shard {
        let shards = self.parts.shards;
        &shards[thread_number() & (shards.len() - 1)]
    }

    /// Counts one piece of work as in flight until the token is dropped. The cheapest form: no
    /// name, no age, and so no line in the report.
    #[inline]
    pub fn track_unnamed(&self) -> Token {
        let shard = self.shard();
        shard.started.fetch_add(1, Ordering::AcqRel);
        Token { shard }
    }

    /// Enters one piece of work under its kind and name until the guard is dropped.
    #[inline]
    pub fn track(&self, kind: &'static str, name: impl Into<Name>) -> Guard {
        self.track_since(kind, name.into(), Millis::now())
    }

    #[doc(hidden)]
    #[inline]
    pub fn track_since(&self, kind: &'static str, name: Name, since: Millis) -> Guard {
        self.enter(kind, since, |place| *place = name)
    }

    /// The same under the name that [`Name::short`] makes of `verb` and `what`; `None` if `what` is too long for that.
    #[doc(hidden)]
    #[inline]
    pub fn track_short(
        &self,
        kind: &'static str,
        verb: &'static str,
        what: &str,
        since: Millis,
    ) -> Option<Guard> {
        let fits = what.len() <= Name::SHORT;
        fits.then(|| self.enter(kind, since, |place| place.set_short(verb, what)))
    }

    #[inline]
    fn enter(
        &self,
        kind: &'static str,
        since: Millis,
        write_name: impl FnOnce(&mut Name),
    ) -> Guard {
        let shard = self.shard();
        let key = shard.book().begin(kind, since, write_name);
        Guard { shard, key }
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are in flight. Exact when it is zero (see the module's doc); otherwise a figure
    /// that may be a few too high while work starts and ends.
    pub fn len(&self) -> usize {
        self.parts.in_flight()
    }

    /// Completes at a moment when nothing is in flight.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn empty(&self) {
        struct Enrolled<'a>(&'a Waiters, Option<WaiterPlace>);
        impl Drop for Enrolled<'_> {
            fn drop(&mut self) {
                self.0.leave(&mut self.1);
            }
        }
        let mut enrolled = Enrolled(self.parts.waiters, None);
        poll_fn(|cx| self.poll_empty(&mut enrolled.1, cx)).await
    }

    fn poll_empty(&self, place: &mut Option<WaiterPlace>, cx: &mut Context<'_>) -> Poll<()> {
        self.parts.waiters.enrol(place, cx.waker());
        for shard in self.parts.shards {
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
        for shard in self.parts.shards {
            let book = shard.book();
            entries.extend(book.open_lines().map(|line| Entry::of(shard, line, now)));
        }
        entries.sort_by_key(|e| std::cmp::Reverse(e.age));
        entries
    }

    /// The same without names.
    #[doc(hidden)]
    pub fn unnamed(&self) -> Vec<Unnamed> {
        let mut found = Vec::new();
        for (nth, shard) in self.parts.shards.iter().enumerate() {
            let book = shard.book();
            found.extend(book.open_lines_by_key().map(|(key, line)| Unnamed {
                id: EntryId::of(shard, line),
                kind: line.kind,
                since: line.since,
                shard: nth,
                key,
            }));
        }
        found.sort_unstable_by_key(|it| it.since);
        found
    }

    /// What it is called, unless it has ended since.
    #[doc(hidden)]
    pub fn named(&self, it: &Unnamed) -> Option<Entry> {
        let shard = &self.parts.shards[it.shard];
        let book = shard.book();
        let line = book.open_line(it.key)?;
        (EntryId::of(shard, line) == it.id).then(|| Entry::of(shard, line, Millis::now()))
    }

    /// Part of what is in flight, oldest first, and how much there is. Only what is in that part is
    /// copied: 100,000 entries take some milliseconds, not one allocation each.
    #[doc(hidden)]
    pub fn page(&self, skip: usize, take: usize) -> Page {
        let now = Millis::now();
        // By age, and where it is.
        let mut found: Vec<(Millis, usize, usize)> = Vec::new();
        let mut by_kind: Vec<Ended> = Vec::new();
        for (nth, shard) in self.parts.shards.iter().enumerate() {
            for (key, line) in shard.book().open_lines_by_key() {
                found.push((line.since, nth, key));
                add(&mut by_kind, line.kind, 1);
            }
        }
        let named = found.len();
        let skip = skip.min(named);
        let end = skip.saturating_add(take).min(named);
        if end < named {
            found.select_nth_unstable(end);
            found.truncate(end);
        }
        if 0 < skip && skip < end {
            found.select_nth_unstable(skip);
        }
        let mut part = found.split_off(skip);
        part.sort_unstable();
        let entry = |(since, nth, key): (Millis, usize, usize)| {
            let shard = &self.parts.shards[nth];
            let book = shard.book();
            // Another may have its line by now.
            let line = book.open_line(key).filter(|line| line.since == since)?;
            Some(Entry::of(shard, line, now))
        };
        by_kind.sort_by_key(|it| it.kind);
        Page {
            entries: part.into_iter().filter_map(entry).collect(),
            named,
            by_kind: by_kind.iter().map(|it| (it.kind, it.count)).collect(),
        }
    }

    /// How many of each kind have ended, in the order of their names.
    pub fn ended(&self) -> Vec<Ended> {
        let mut all: Vec<Ended> = Vec::new();
        for shard in self.parts.shards {
            for e in &shard.book().ended_by_kind {
                add(&mut all, e.kind, e.count);
            }
        }
        all.sort_by_key(|e| e.kind);
        all
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

/// One piece of work counted as in flight; made by [`Ledger::track_unnamed`]. May end on any thread.
#[must_use = "work is only counted while the token lives: keep it, `let _token = …`"]
pub struct Token {
    shard: &'static Shard,
}

impl Drop for Token {
    #[inline]
    fn drop(&mut self) {
        let before = self.shard.ended.fetch_add(ONE, Ordering::AcqRel);
        if before & WATCHED != 0 {
            self.shard.last_look_is_out_of_date();
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
    shard: &'static Shard,
    key: usize,
}

impl Guard {
    /// What the ledger says of this piece of work: for who has to name it in the end and would
    /// otherwise keep a copy of its name all along.
    pub fn entry(&self) -> Entry {
        Entry::of(self.shard, self.shard.book().line(self.key), Millis::now())
    }

    /// Ends it, counted under another kind than it was entered under: for what did not end as it should.
    #[doc(hidden)]
    pub fn end_as(self, kind: &'static str) {
        self.shard.book().line_mut(self.key).kind = kind;
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        let mut book = self.shard.book();
        if book.end(self.key) | book.watched {
            self.ended(book);
        }
    }
}

impl Guard {
    /// The rest of an end after which there is something to free, or somebody to wake.
    #[inline(never)]
    fn ended(&self, mut book: MutexGuard<'_, EntryTable>) {
        let name = book.take_name(self.key);
        let watched = std::mem::take(&mut book.watched);
        drop(book);
        drop(name);
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
