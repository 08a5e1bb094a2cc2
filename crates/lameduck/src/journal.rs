//! What is written down for the report as it happens, by whoever it happens to.
//!
//! # What must hold
//!
//! The lock is held for a push or a copy and for nothing else; no event is sent to `tracing` under
//! it, since a subscriber may block. So the watchdog can always read.

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::inflight::{Ended, Entry, Ledger};
use crate::jobs::INTAKE;
use crate::phase::Phase;
use crate::report::{Failure, LetGo, Panic, PhaseTime, Report, Step};

/// The journal of one process.
#[derive(Default)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    entered: Vec<(Phase, Instant)>,
    addresses: Vec<(String, String)>,
    announced: Vec<Step>,
    closed: Vec<Step>,
    failed: Vec<Failure>,
    panicked: Vec<Panic>,
    let_go: Vec<LetGo>,
    /// What of the ledger has been written down as let go while it was still there.
    left: Vec<Entry>,
}

/// The kind under which a closer is in the ledger while it runs.
pub(crate) const CLOSER: &str = "closer";

/// How many panics the report keeps.
const PANICS_KEPT: usize = 16;

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
    /// Whether `entry`, or another of its kind and name, has been written down as let go.
    fn knows(&self, entry: &Entry) -> bool {
        let name = entry.name.to_string();
        let same = |it: &Entry| it.kind == entry.kind && it.name.to_string() == name;
        self.left.iter().any(same)
    }

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

    /// How many of each kind have finished since the shutdown began. What was let go has ended
    /// too, but it has not finished; the closers are in a list of their own, and the end of a job
    /// intake is nobody's work.
    fn finished(&self, facts: &Facts<'_>) -> std::collections::BTreeMap<String, u64> {
        let before = |kind| {
            facts
                .ended_before
                .iter()
                .find(|e| e.kind == kind)
                .map_or(0, |e| e.count)
        };
        let let_go = |kind| self.let_go.iter().filter(|it| it.kind == kind).count() as u64;
        let ended = facts.ledger.ended();
        ended
            .iter()
            .map(|e| {
                (
                    e.kind,
                    e.count.saturating_sub(before(e.kind) + let_go(e.kind)),
                )
            })
            .filter(|(kind, n)| *n > 0 && ![CLOSER, INTAKE].contains(kind))
            .map(|(kind, n)| (kind.to_owned(), n))
            .collect()
    }
}

impl Journal {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        // Entries are pushed whole, so a poisoned journal is still a whole journal.
        self.pages.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn entered(&self, phase: Phase) {
        tracing::info!(target: "lameduck", %phase, "phase");
        self.pages().entered.push((phase, now()));
    }

    pub(crate) fn listens(&self, component: &str, address: String) {
        tracing::info!(target: "lameduck", component, address, "listening");
        self.pages().addresses.push((component.to_owned(), address));
    }

    pub(crate) fn address(&self, component: &str) -> Option<String> {
        let pages = self.pages();
        let found = pages.addresses.iter().find(|(name, _)| name == component)?;
        Some(found.1.clone())
    }

    /// Who listens where, of this process.
    pub(crate) fn addresses(&self) -> Vec<(String, String)> {
        self.pages().addresses.clone()
    }

    pub(crate) fn announced(&self, step: Step) {
        self.pages().announced.push(step);
    }

    pub(crate) fn closed(&self, step: Step) {
        self.pages().closed.push(step);
    }

    pub(crate) fn failed(&self, component: impl Into<String>, error: impl fmt::Display) {
        let (component, error) = (component.into(), error.to_string());
        tracing::error!(target: "lameduck", component, error, "component failed");
        self.pages().failed.push(Failure { component, error });
    }

    pub(crate) fn panicked(&self, kind: &str, name: impl fmt::Display, message: &str) {
        let (kind, name) = (kind.to_owned(), name.to_string());
        let message = message.to_owned();
        tracing::error!(target: "lameduck", kind, name, message, "panicked");
        let mut pages = self.pages();
        if pages.panicked.len() == PANICS_KEPT {
            pages.panicked.remove(0);
        }
        pages.panicked.push(Panic {
            kind,
            name,
            message,
        });
    }

    pub(crate) fn let_go(&self, what: LetGo) {
        tracing::warn!(target: "lameduck", kind = what.kind, name = what.name, why = what.why, "let go");
        self.pages().let_go.push(what);
    }

    /// Writes down everything in the ledger as let go, but for what `spared` names and what has
    /// been written down before.
    pub(crate) fn let_go_all(&self, ledger: &Ledger, spared: impl Fn(&Entry) -> bool, why: &str) {
        // All are looked up before the first is written down: several may have the same name.
        let mut left = ledger.snapshot();
        left.retain(|entry| !spared(entry) && !self.pages().knows(entry));
        for entry in &left {
            self.let_go(LetGo::new(entry, why));
        }
        self.pages().left.extend(left);
    }

    /// Writes down something from the ledger that was cut, unless that was done while it was there.
    pub(crate) fn cut(&self, entry: &Entry, why: &str) {
        if !self.pages().knows(entry) {
            self.let_go(LetGo::new(entry, why));
        }
    }

    /// The report as of now.
    pub(crate) fn report(&self, facts: &Facts<'_>) -> Report {
        let now = now();
        let left = facts.ledger.snapshot();
        let pages = self.pages();
        let mut let_go = pages.let_go.clone();
        let unknown = left.iter().filter(|entry| !pages.knows(entry));
        let_go.extend(unknown.map(|entry| LetGo::new(entry, facts.why_left)));
        let_go.sort_by_key(|it| std::cmp::Reverse(it.age));
        let exit = match facts.forced {
            Some(code) => code,
            None if !let_go.is_empty() => 124,
            None if !pages.failed.is_empty() => 1,
            None => 0,
        };
        Report {
            reason: facts.reason.clone(),
            grace: facts.grace,
            took: facts
                .began
                .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            phases: pages.phases(now),
            finished: pages.finished(facts),
            let_go,
            failed: pages.failed.clone(),
            panicked: pages.panicked.clone(),
            announced: pages.announced.clone(),
            closed: pages.closed.clone(),
            signals: facts.signals,
            forced: facts.forced.is_some(),
            exit,
        }
    }
}
