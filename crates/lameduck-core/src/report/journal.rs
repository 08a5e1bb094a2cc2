//! What is written down for the report as it happens, by whoever it happens to.
//!
//! # What must hold
//!
//! 1. The lock is held for pushes, copies of a bounded number of lines, and to see which entries are known, and for
//!    nothing else: no event is sent under it, and nothing of the application's is called, such as the
//!    `Display` of a name.
//! 2. Of each list as much is kept as a person reads ([`KEPT`]); how many there were is always known.
//! 3. Nobody's password is in it that stands in an address in an error ([`redact`](crate::report::redact)).
//! 4. An entry of the ledger is written down as let go once, and it alone: others of its name are others.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tracing::Level;

use crate::base::clock::now;
use crate::inflight::add;
use crate::inflight::kind::{BROKEN, CLOSER, GONE, INTAKE, is_an_end};
use crate::inflight::{Ended, Entry, EntryId, Ledger, Unnamed};
use crate::report::redact::without_passwords;
use crate::report::{BrokenResponse, Failure, LetGo, Panic, PhaseTime, Report, Step};
use crate::shutdown::phase::Phase;
use crate::voice;

/// The journal of one process.
#[derive(Default)]
pub struct Journal {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    entered: Vec<(Phase, Instant)>,
    addresses: Vec<(String, String)>,
    announced: Vec<Step>,
    closed: Vec<Step>,
    failed: Bounded<Failure>,
    panicked: Bounded<Panic>,
    broken: Bounded<BrokenResponse>,
    restarted: Bounded<Failure>,
    let_go: Bounded<LetGo>,
    /// Of each kind that was let go, how many.
    let_go_by_kind: BTreeMap<String, u64>,
    /// What of the ledger has been written down as let go while it was still there.
    left: HashSet<EntryId>,
    /// Connections with requests that nobody has read.
    behind_close: u64,
    given_up: Bounded<LetGo>,
    /// Of each kind that was given up, how many.
    given_up_by_kind: BTreeMap<String, u64>,
}

/// How many lines of a list the report keeps.
pub(crate) const KEPT: usize = 100;

/// How many panics and broken responses it keeps: the latest.
const LATEST_KEPT: usize = 16;

/// Some lines of a list, and how many there were.
struct Bounded<T> {
    lines: Vec<T>,
    total: u64,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Bounded {
            lines: Vec::new(),
            total: 0,
        }
    }
}

impl<T> Bounded<T> {
    fn push(&mut self, line: T) {
        self.total += 1;
        if self.lines.len() < KEPT {
            self.lines.push(line);
        }
    }

    /// The same, but for the latest of the list instead of the first.
    fn push_latest(&mut self, line: T) {
        self.total += 1;
        if self.lines.len() == LATEST_KEPT {
            self.lines.remove(0);
        }
        self.lines.push(line);
    }
}

/// What the application says of something, whatever it does instead.
fn said(it: &dyn fmt::Display) -> String {
    let said = catch_unwind(AssertUnwindSafe(|| it.to_string()));
    said.unwrap_or_else(|_| "(it panicked when asked for its name)".to_owned())
}

/// An entry of the ledger as a line of the report.
fn line(entry: &Entry, why: &str) -> LetGo {
    LetGo {
        kind: entry.kind.to_owned(),
        name: said(&entry.name),
        age: entry.age,
        why: why.to_owned(),
    }
}

/// What a report says beside what is in the journal.
pub(crate) struct Facts<'a> {
    pub reason: String,
    pub began: Option<Instant>,
    pub grace: Duration,
    pub signals: usize,
    pub ledger: &'a Ledger,
    /// What had ended before the shutdown.
    pub ended_before: &'a [Ended],
    /// Why what is in the ledger is still there.
    pub why_left: &'a str,
    /// The exit code, if the end is forced.
    pub forced: Option<u8>,
}

impl Pages {
    fn phases(&self, now: Instant) -> Vec<PhaseTime> {
        let ends = self.entered.iter().skip(1).map(|(_, at)| *at).chain([now]);
        let lasted = self.entered.iter().zip(ends);
        lasted
            .filter(|((phase, _), _)| (Phase::LameDuck..Phase::Stopped).contains(phase))
            .map(|((phase, from), until)| PhaseTime {
                phase: *phase,
                lasted: until.saturating_duration_since(*from),
            })
            .collect()
    }

    /// How many of each kind have finished since the shutdown began. What was let go or given up has ended
    /// too, unless it is still there, but it has not finished; the closers are in a list of their own, and the end
    /// of a job intake is nobody's work.
    fn finished(
        &self,
        facts: &Facts<'_>,
        ended: &[Ended],
        still_there: &[Ended],
    ) -> BTreeMap<String, u64> {
        let before = |kind| of_kind(facts.ended_before, kind);
        let unfinished = |kind| {
            let let_go = self.let_go_by_kind.get(kind).copied().unwrap_or(0);
            let given_up = self.given_up_by_kind.get(kind).copied().unwrap_or(0);
            (let_go + given_up).saturating_sub(of_kind(still_there, kind))
        };
        ended
            .iter()
            .map(|e| {
                let others = before(e.kind) + unfinished(e.kind);
                (e.kind, e.count.saturating_sub(others))
            })
            .filter(|(kind, n)| *n > 0 && ![CLOSER, INTAKE].contains(kind) && !is_an_end(kind))
            .map(|(kind, n)| (kind.to_owned(), n))
            .collect()
    }

    fn let_go(&mut self, what: LetGo) {
        *self.let_go_by_kind.entry(what.kind.clone()).or_default() += 1;
        self.let_go.push(what);
    }
}

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Entries are pushed whole, so a poisoned journal is still a whole journal.
        self.pages.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn entered(&self, phase: Phase) {
        voice::event(
            Level::INFO,
            move || tracing::info!(target: "lameduck", %phase, "phase"),
        );
        self.pages().entered.push((phase, now()));
    }

    pub fn listens(&self, component: &str, address: String) {
        let component = component.to_owned();
        let place = (component.clone(), address.clone());
        self.pages().addresses.push(place);
        voice::event(Level::INFO, move || {
            tracing::info!(target: "lameduck", component, address, "listening");
        });
    }

    /// A component has ended: nobody listens where it did.
    pub(crate) fn listens_no_more(&self, component: &str) {
        let mut pages = self.pages();
        pages.addresses.retain(|(name, _)| name != component);
    }

    pub(crate) fn address(&self, component: &str) -> Option<String> {
        let pages = self.pages();
        let found = pages.addresses.iter().find(|(name, _)| name == component)?;
        Some(found.1.clone())
    }

    /// Who listens where, of this process.
    pub fn addresses(&self) -> Vec<(String, String)> {
        self.pages().addresses.clone()
    }

    pub fn announced(&self, step: Step) {
        let step = presentable(step);
        self.pages().announced.push(step);
    }

    pub fn closed(&self, step: Step) {
        let step = presentable(step);
        self.pages().closed.push(step);
    }

    pub fn failed(&self, component: impl Into<String>, error: impl fmt::Display) {
        let (component, error) = (
            component.into(),
            without_passwords(&said(&error)).into_owned(),
        );
        let failure = Failure {
            component: component.clone(),
            error: error.clone(),
        };
        self.pages().failed.push(failure);
        voice::event(Level::ERROR, move || {
            tracing::error!(target: "lameduck", component, error, "component failed");
        });
    }

    /// A component has failed with `error`, and is started anew after `pause`.
    pub(crate) fn restarts(&self, component: &str, error: String, pause: Duration) {
        let it = Failure {
            component: component.to_owned(),
            error: without_passwords(&error).into_owned(),
        };
        let mut pages = self.pages();
        pages.restarted.push_latest(it.clone());
        pages.addresses.retain(|(name, _)| name != component);
        drop(pages);
        let pause_ms = pause.as_millis() as u64;
        voice::event(Level::WARN, move || {
            tracing::warn!(target: "lameduck", component = it.component, error = it.error, pause_ms, "component restarts");
        });
    }

    pub fn panicked(&self, kind: &str, name: impl fmt::Display, message: &str) {
        let (kind, name) = (kind.to_owned(), said(&name));
        let message = message.to_owned();
        let panic = Panic {
            kind: kind.clone(),
            name: name.clone(),
            message: message.clone(),
        };
        self.pages().panicked.push_latest(panic);
        voice::event(Level::ERROR, move || {
            tracing::error!(target: "lameduck", kind, name, message, "panicked");
        });
    }

    /// A response ended before its end because its body did.
    pub fn broke(&self, kind: &str, name: impl fmt::Display, error: &str) {
        let it = BrokenResponse {
            kind: kind.to_owned(),
            name: said(&name),
            error: without_passwords(error).into_owned(),
        };
        self.pages().broken.push_latest(it.clone());
        voice::event(Level::ERROR, move || {
            tracing::error!(target: "lameduck", kind = it.kind, name = it.name, error = it.error, "broke off");
        });
    }

    /// A connection has ended whose peer had sent more behind an answer that was the last.
    pub fn behind_close(&self) {
        self.pages().behind_close += 1;
    }

    /// Something that is in no ledger, or not any more.
    pub fn let_go(&self, mut what: LetGo) {
        what.why = without_passwords(&what.why).into_owned();
        self.pages().let_go(what.clone());
        tell(what);
    }

    /// Something that nobody needs any more, because the shutdown has begun: nobody is let down.
    pub fn given_up(&self, entry: &Entry, why: &str) {
        let line = line(entry, why);
        let mut pages = self.pages();
        let of_kind = pages.given_up_by_kind.entry(line.kind.clone());
        *of_kind.or_default() += 1;
        pages.given_up.push(line);
    }

    /// Writes down everything in the ledger as let go, but for what `spared` names and what has
    /// been written down before.
    pub fn let_go_all(&self, ledger: &Ledger, spared: impl Fn(&Unnamed) -> bool, why: &str) {
        let mut left = ledger.unnamed();
        left.retain(|it| !spared(it));
        let mut pages = self.pages();
        left.retain(|it| pages.left.insert(it.id));
        let room = KEPT.saturating_sub(pages.let_go.lines.len());
        let (named, more) = left.split_at(room.min(left.len()));
        add_all(&mut pages.let_go_by_kind, more);
        drop(pages);
        for it in named {
            match ledger.named(it) {
                Some(entry) => self.let_go(line(&entry, why)),
                // It has ended after all, a moment ago.
                None => _ = self.pages().left.remove(&it.id),
            }
        }
    }

    /// Writes down something from the ledger that is let go, unless that was done before.
    pub fn cut(&self, entry: &Entry, why: &str) {
        if self.pages().left.insert(entry.id) {
            self.let_go(line(entry, why));
        }
    }

    /// Whether it has been written down as let go.
    pub fn has_let_go(&self, entry: &Entry) -> bool {
        self.pages().left.contains(&entry.id)
    }

    /// The report as of now.
    pub(crate) fn report(&self, facts: &Facts<'_>) -> Report {
        let now = now();
        let left = facts.ledger.unnamed();
        let ended = facts.ledger.ended();
        let pages = self.pages();
        let (known, unknown): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|it| pages.left.contains(&it.id));
        let finished = pages.finished(facts, &ended, &count(&known));
        let mut let_go_by_kind = pages.let_go_by_kind.clone();
        add_all(&mut let_go_by_kind, &unknown);
        let mut let_go = pages.let_go.lines.clone();
        let during = |kind| of_kind(&ended, kind).saturating_sub(of_kind(facts.ended_before, kind));
        let exit = match facts.forced {
            Some(code) => code,
            None if !let_go_by_kind.is_empty() => 124,
            None if pages.failed.total > 0 || during(BROKEN) > 0 => 1,
            None => 0,
        };
        let mut report = Report {
            reason: facts.reason.clone(),
            grace: facts.grace,
            took: facts
                .began
                .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            phases: pages.phases(now),
            finished,
            client_gone: GONE
                .into_iter()
                .map(|(end, kind)| (kind.to_owned(), during(end)))
                .filter(|(_, n)| *n > 0)
                .collect(),
            behind_close: pages.behind_close,
            given_up: pages.given_up.lines.clone(),
            let_go: Vec::new(),
            let_go_total: let_go_by_kind.values().sum(),
            let_go_by_kind,
            failed: pages.failed.lines.clone(),
            failed_total: pages.failed.total,
            panicked: pages.panicked.lines.clone(),
            panicked_total: pages.panicked.total,
            broken: pages.broken.lines.clone(),
            broken_total: pages.broken.total,
            restarted: pages.restarted.lines.clone(),
            restarted_total: pages.restarted.total,
            announced: pages.announced.clone(),
            closed: pages.closed.clone(),
            signals: facts.signals,
            forced: facts.forced.is_some(),
            exit,
        };
        drop(pages);
        // The oldest first, of which the ledger's own order takes care.
        let room = KEPT.saturating_sub(let_go.len());
        let named = unknown.iter().filter_map(|it| facts.ledger.named(it));
        let_go.extend(named.take(room).map(|it| line(&it, facts.why_left)));
        let_go.sort_by_key(|it| std::cmp::Reverse(it.age));
        report.let_go = let_go;
        report
    }
}

/// Without the passwords that an error may have in it.
fn presentable(mut step: Step) -> Step {
    step.error = step.error.map(|it| without_passwords(&it).into_owned());
    step
}

/// How many there are of one kind.
fn of_kind(counts: &[Ended], kind: &str) -> u64 {
    let found = counts.iter().find(|it| it.kind == kind);
    found.map_or(0, |it| it.count)
}

/// How many there are of each kind.
fn count(entries: &[Unnamed]) -> Vec<Ended> {
    let mut by_kind = Vec::new();
    for it in entries {
        add(&mut by_kind, it.kind, 1);
    }
    by_kind
}

fn add_all(by_kind: &mut BTreeMap<String, u64>, entries: &[Unnamed]) {
    for it in count(entries) {
        *by_kind.entry(it.kind.to_owned()).or_default() += it.count;
    }
}

/// Sends the event.
fn tell(what: LetGo) {
    voice::event(Level::WARN, move || {
        tracing::warn!(target: "lameduck", kind = what.kind, name = what.name, why = what.why, "let go");
    });
}
