//! The named entries of one shard of the ledger.
//!
//! A table of lines with a chain of the free ones. Not a slab: a slab takes and gives whole values,
//! and each move of one waits for the processor to finish writing it. Written field by field, an
//! entry costs a third less (`lameduck-bench track`).

use crate::base::clock::Millis;
use crate::inflight::name::Name;

/// How many of a kind have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What sort of thing.
    pub kind: &'static str,
    /// How many of it have ended since the process started.
    pub count: u64,
}

/// Entries that are open, and how many have ended.
pub(crate) struct EntryTable {
    lines: Vec<TableLine>,
    /// Head of the chain of free lines; `NONE` if there is none.
    free: usize,
    /// How many are open.
    pub open: usize,
    /// How many have ended.
    pub ended: usize,
    /// The same by kind, in no order.
    pub ended_by_kind: Vec<Ended>,
    /// Whether somebody waits for the next end.
    pub watched: bool,
}

/// One entry.
pub(crate) struct TableLine {
    pub kind: &'static str,
    pub name: Name,
    pub since: Millis,
    /// The next free line, or, with the bit `OPEN`, which of all entries of the book this one is.
    next: usize,
}

const NONE: usize = OPEN - 1;
const OPEN: usize = 1 << (usize::BITS - 1);

impl TableLine {
    fn is_open(&self) -> bool {
        self.next & OPEN != 0
    }

    /// Which of all entries of the book it is, while it is open. No other has the same, before 2^63 have been.
    pub(crate) fn nth(&self) -> usize {
        self.next & !OPEN
    }
}

impl EntryTable {
    /// Empty.
    pub(crate) const fn new() -> EntryTable {
        EntryTable {
            lines: Vec::new(),
            free: NONE,
            open: 0,
            ended: 0,
            ended_by_kind: Vec::new(),
            watched: false,
        }
    }

    /// As new, but for how many have ended, which only ever grows.
    pub(crate) fn renew(&mut self) {
        let ended = self.ended;
        *self = EntryTable {
            ended,
            ..EntryTable::new()
        };
    }

    /// Enters a line; returns its key. Its name is written where it stays: a copy of one shows.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        kind: &'static str,
        since: Millis,
        write_name: impl FnOnce(&mut Name),
    ) -> usize {
        if self.free >= self.lines.len() {
            self.add_line();
        }
        let key = self.free;
        let line = &mut self.lines[key];
        self.free = line.next;
        line.next = OPEN | self.ended.wrapping_add(self.open);
        line.kind = kind;
        line.since = since;
        self.open += 1;
        write_name(&mut line.name);
        key
    }

    /// Adds a line when none is free.
    #[cold]
    fn add_line(&mut self) {
        self.free = self.lines.len();
        self.lines.push(TableLine {
            kind: "",
            name: Name::from(""),
            since: Millis(0),
            next: NONE,
        });
    }

    /// Strikes the line out. Says whether its name keeps something alive: such a one is to be
    /// [taken](EntryTable::take_name), and freed outside the lock; any other stays until the line is used again.
    #[inline]
    pub(crate) fn end(&mut self, key: usize) -> bool {
        let line = &mut self.lines[key];
        let keeps_alive = line.name.keeps_alive();
        line.next = self.free;
        self.free = key;
        self.open -= 1;
        self.ended = self.ended.wrapping_add(1);
        add(&mut self.ended_by_kind, line.kind, 1);
        keeps_alive
    }

    /// The name of a line that has just been struck out.
    pub(crate) fn take_name(&mut self, key: usize) -> Name {
        std::mem::replace(&mut self.lines[key].name, Name::from(""))
    }

    /// The line of a key that has begun and not ended.
    pub(crate) fn line(&self, key: usize) -> &TableLine {
        &self.lines[key]
    }

    /// The same, to change it.
    pub(crate) fn line_mut(&mut self, key: usize) -> &mut TableLine {
        &mut self.lines[key]
    }

    /// The line of a key that may have ended since.
    pub(crate) fn open_line(&self, key: usize) -> Option<&TableLine> {
        self.lines.get(key).filter(|line| line.is_open())
    }

    /// The lines that are open, with their keys.
    pub(crate) fn open_lines_by_key(&self) -> impl Iterator<Item = (usize, &TableLine)> {
        let all = self.lines.iter().enumerate();
        all.filter(|(_, line)| line.is_open())
    }

    /// The lines that are open.
    pub(crate) fn open_lines(&self) -> impl Iterator<Item = &TableLine> {
        self.lines.iter().filter(|line| line.is_open())
    }
}

/// Adds `count` to the line of `kind`.
#[inline]
pub(crate) fn add(to: &mut Vec<Ended>, kind: &'static str, count: u64) {
    // What there is most of, requests or jobs, is as a rule the first that ended.
    match to.first_mut() {
        Some(first) if std::ptr::eq(first.kind, kind) => first.count += count,
        _ => add_to_any(to, kind, count),
    }
}

#[inline(never)]
fn add_to_any(to: &mut Vec<Ended>, kind: &'static str, count: u64) {
    match to.iter_mut().find(|e| e.kind == kind) {
        Some(e) => e.count += count,
        None => to.push(Ended { kind, count }),
    }
}
