//! The shutdown report: how long each phase took, what finished, what was let go and why. The same
//! facts three ways: a few lines for people, one `tracing` event, JSON for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::inflight::Entry;
use crate::phase::Phase;

/// What happened between the signal and the end.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Why the shutdown began: `SIGTERM`, or the reason given to
    /// [`Handle::shutdown`](crate::Handle::shutdown).
    pub reason: String,
    /// The time allowed.
    #[serde(rename = "grace_ms", serialize_with = "milliseconds")]
    pub grace: Duration,
    /// The time it took, from the signal to this report.
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub took: Duration,
    /// How long each phase lasted, in order, from the signal on.
    pub phases: Vec<PhaseTime>,
    /// How much of each kind finished during the shutdown.
    pub finished: BTreeMap<String, u64>,
    /// What did not finish, oldest first.
    pub let_go: Vec<LetGo>,
    /// Components that failed.
    pub failed: Vec<Failure>,
    /// Work that panicked at any time since the start, the latest sixteen. A request whose
    /// handler panicked was answered `500`.
    pub panicked: Vec<Panic>,
    /// Load balancers and registries that were told.
    pub announced: Vec<Step>,
    /// Pools, clients and telemetry that were closed, in order.
    pub closed: Vec<Step>,
    /// Signals received.
    pub signals: usize,
    /// Whether the end had to be forced: by the watchdog or by a third signal.
    pub forced: bool,
    /// The exit code.
    pub exit: u8,
}

/// How long a phase lasted.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseTime {
    /// Which.
    #[serde(serialize_with = "display")]
    pub phase: Phase,
    /// How long.
    #[serde(rename = "ms", serialize_with = "milliseconds")]
    pub lasted: Duration,
}

/// Something that did not finish.
#[derive(Clone, Debug, Serialize)]
pub struct LetGo {
    /// What sort of thing: `request`, `job`, `closer`, …
    pub kind: String,
    /// Its name, for example `GET /orders/17`.
    pub name: String,
    /// How long it had been running.
    #[serde(rename = "age_ms", serialize_with = "milliseconds")]
    pub age: Duration,
    /// Why it was let go.
    pub why: String,
}

impl LetGo {
    /// An entry of the ledger that is let go because of `why`.
    pub fn new(entry: &Entry, why: impl Into<String>) -> LetGo {
        LetGo {
            kind: entry.kind.to_owned(),
            name: entry.name.to_string(),
            age: entry.age,
            why: why.into(),
        }
    }
}

/// A component that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Its name.
    pub component: String,
    /// What it said.
    pub error: String,
}

/// Work that panicked.
#[derive(Clone, Debug, Serialize)]
pub struct Panic {
    /// What sort of thing: `request`, `job`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The panic's message.
    pub message: String,
}

/// The message in a panic's payload.
pub(crate) fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// A hook or a closer that ran.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// How long it took.
    #[serde(rename = "ms", serialize_with = "milliseconds")]
    pub took: Duration,
    /// `None` if it did what it should, else what went wrong.
    pub error: Option<String>,
}

fn milliseconds<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64((d.as_secs_f64() * 1e6).round() / 1e3)
}

fn display<T: fmt::Display, S: Serializer>(t: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(t)
}

impl Report {
    /// The report as one JSON object with a final newline.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self)
            .unwrap_or_else(|e| format!("{{\"error\":{:?}}}", e.to_string()));
        json.push('\n');
        json
    }

    /// Sends the report as one event to `tracing`: `INFO` if the exit is clean, else `ERROR`.
    pub fn trace(&self) {
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    target: "lameduck::report",
                    $level,
                    reason = self.reason,
                    took_ms = self.took.as_millis() as u64,
                    grace_ms = self.grace.as_millis() as u64,
                    let_go = self.let_go.len(),
                    failed = self.failed.len(),
                    forced = self.forced,
                    exit = self.exit,
                    report = self.to_json(),
                    "shutdown complete"
                )
            };
        }
        match self.exit {
            0 => event!(tracing::Level::INFO),
            _ => event!(tracing::Level::ERROR),
        }
    }
}

/// `3 ms`, `1.31 s`, `24 s`.
pub(crate) fn short(d: Duration) -> String {
    match d.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ if d.subsec_millis() < 5 => format!("{} s", d.as_secs()),
        _ => format!("{:.2} s", d.as_secs_f64()),
    }
}

fn plural(n: u64, kind: &str) -> String {
    match n {
        1 => format!("1 {kind}"),
        n => format!("{n} {kind}s"),
    }
}

fn steps(f: &mut fmt::Formatter<'_>, what: &str, steps: &[Step]) -> fmt::Result {
    for (i, step) in steps.iter().enumerate() {
        let lead = if i == 0 {
            format!("\n  {what}: ")
        } else {
            ", ".to_owned()
        };
        write!(f, "{lead}{} ({})", step.name, short(step.took))?;
        if let Some(error) = &step.error {
            write!(f, " FAILED: {error}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lameduck: {} after {}, {} of {}, exit {}",
            if self.forced {
                "ended by force"
            } else {
                "stopped"
            },
            self.reason,
            short(self.took),
            short(self.grace),
            self.exit
        )?;
        let phases: Vec<String> = self
            .phases
            .iter()
            .map(|p| format!("{} {}", p.phase, short(p.lasted)))
            .collect();
        if !phases.is_empty() {
            write!(f, "\n  phases: {}", phases.join(", "))?;
        }
        let finished: Vec<String> = self
            .finished
            .iter()
            .map(|(kind, n)| plural(*n, kind))
            .collect();
        if !finished.is_empty() {
            write!(f, "\n  finished: {}", finished.join(", "))?;
        }
        steps(f, "told", &self.announced)?;
        steps(f, "closed", &self.closed)?;
        for failure in &self.failed {
            write!(f, "\n  failed: {}: {}", failure.component, failure.error)?;
        }
        for it in &self.panicked {
            write!(f, "\n  panicked: {} {}: {}", it.kind, it.name, it.message)?;
        }
        for it in &self.let_go {
            write!(
                f,
                "\n  let go: {} {}, {} old: {}",
                it.kind,
                it.name,
                short(it.age),
                it.why
            )?;
        }
        Ok(())
    }
}
