//! The shutdown report: how long each phase took, what finished, what was let go and why. The same
//! facts three ways: a few lines for people, one `tracing` event, JSON for machines.

#[doc(hidden)]
pub mod details;
pub(crate) mod file;
pub(crate) mod hooks;
pub(crate) mod journal;
#[doc(hidden)]
pub mod redact;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::text::{plural, short};
use crate::shutdown::phase::Phase;

/// What happened between the signal and the end.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
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
    /// How much of each kind ended during the shutdown because its client went away. It is neither
    /// finished nor let go.
    pub client_gone: BTreeMap<String, u64>,
    /// Connections over HTTP/1.x on which a client had sent more behind the request whose answer said
    /// `Connection: close`. It may send that again elsewhere: it was not read (RFC 9112, 9.6).
    pub behind_close: u64,
    /// What was left out because the shutdown had begun, such as a step of the start-up; nobody is let down by that.
    /// At most a hundred.
    pub given_up: Vec<LetGo>,
    /// What did not finish, oldest first: at most a hundred of it.
    pub let_go: Vec<LetGo>,
    /// How much did not finish.
    pub let_go_total: u64,
    /// The same by kind.
    pub let_go_by_kind: BTreeMap<String, u64>,
    /// Components that failed, at most a hundred.
    pub failed: Vec<Failure>,
    /// How many failures there were.
    pub failed_total: u64,
    /// Work that panicked at any time since the start, the latest sixteen. A request whose
    /// handler panicked was answered `500`.
    pub panicked: Vec<Panic>,
    /// How much panicked.
    pub panicked_total: u64,
    /// Responses that ended before their end because their body did, at any time since the start, the
    /// latest sixteen. One whose body panicked is in `panicked`.
    pub broken: Vec<BrokenResponse>,
    /// How many such responses there were.
    pub broken_total: u64,
    /// Failures after which a component was started anew ([`Restarting`](crate::Restarting)), at any time since the
    /// start, the latest sixteen.
    pub restarted: Vec<Failure>,
    /// How many restarts there were.
    pub restarted_total: u64,
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
#[non_exhaustive]
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
#[non_exhaustive]
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

/// A component that failed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// Its name.
    pub component: String,
    /// What it said.
    pub error: String,
}

/// Work that panicked.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Panic {
    /// What sort of thing: `request`, `job`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The panic's message.
    pub message: String,
}

/// A response that ended before its end because the application's body ended with an error.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BrokenResponse {
    /// What sort of thing: `request`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The body's error.
    pub error: String,
}

/// A hook or a closer that ran.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
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
    /// One more thing that did not finish.
    pub(crate) fn adds(&mut self, let_go: LetGo) {
        self.let_go_total += 1;
        *self.let_go_by_kind.entry(let_go.kind.clone()).or_default() += 1;
        self.let_go.push(let_go);
    }

    /// One more thing that failed.
    pub(crate) fn fails(&mut self, component: &str, error: String) {
        self.failed_total += 1;
        self.failed.push(Failure {
            component: component.to_owned(),
            error,
        });
    }

    /// The report as one JSON object with a final newline.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self)
            .unwrap_or_else(|e| format!("{{\"error\":{:?}}}", e.to_string()));
        json.push('\n');
        json
    }

    /// The level of its event.
    pub(crate) fn level(&self) -> tracing::Level {
        match self.exit {
            0 => tracing::Level::INFO,
            _ => tracing::Level::ERROR,
        }
    }

    /// Sends the report as one event to `tracing`: `INFO` if the exit is clean, else `ERROR`.
    pub fn trace(&self) {
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(
                    target: "lameduck::report",
                    $level,
                    report = self.to_json(),
                    client_gone = self.client_gone.values().sum::<u64>(),
                    behind_close = self.behind_close,
                    broken = self.broken_total,
                    let_go = self.let_go_total,
                    failed = self.failed_total,
                    forced = self.forced,
                    reason = self.reason,
                    took_ms = self.took.as_millis() as u64,
                    grace_ms = self.grace.as_millis() as u64,
                    exit = self.exit,
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

fn steps(f: &mut impl fmt::Write, what: &str, steps: &[Step]) -> fmt::Result {
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

/// More text than this, in bytes, ends with what it begins with.
///
/// Kubernetes keeps the last 2,048 bytes of a container's log as its termination message
/// (`terminationMessagePolicy: FallbackToLogsOnError`).
const TWICE: usize = 1500;

impl Report {
    /// Why, how long, and with which code: the line for who reads no other.
    fn headline(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let how = if self.forced {
            "ended by force"
        } else {
            "stopped"
        };
        let (took, grace) = (short(self.took), short(self.grace));
        let (reason, exit) = (&self.reason, self.exit);
        write!(
            f,
            "lameduck: {how} after {reason}, {took} of {grace}, exit {exit}"
        )
    }

    fn lines(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let phases: Vec<String> = self
            .phases
            .iter()
            .map(|p| format!("{} {}", p.phase, short(p.lasted)))
            .collect();
        if !phases.is_empty() {
            write!(f, "\n  phases: {}", phases.join(", "))?;
        }
        if !self.finished.is_empty() {
            write!(f, "\n  finished: {}", by_kind(&self.finished))?;
        }
        if !self.client_gone.is_empty() {
            write!(f, "\n  client gone: {}", by_kind(&self.client_gone))?;
        }
        if self.behind_close > 0 {
            let connections = plural(self.behind_close, "connection");
            write!(
                f,
                "\n  not read: what came behind an answer that said close, on {connections}"
            )?;
        }
        steps(f, "told", &self.announced)?;
        steps(f, "closed", &self.closed)?;
        for failure in &self.failed {
            write!(f, "\n  failed: {}: {}", failure.component, failure.error)?;
        }
        more(f, "failed", self.failed_total, self.failed.len())?;
        latest(f, "panicked", self.panicked_total, self.panicked.len())?;
        for it in &self.panicked {
            write!(f, "\n  panicked: {} {}: {}", it.kind, it.name, it.message)?;
        }
        latest(f, "broken", self.broken_total, self.broken.len())?;
        for it in &self.broken {
            write!(f, "\n  broken: {} {}: {}", it.kind, it.name, it.error)?;
        }
        latest(f, "restarted", self.restarted_total, self.restarted.len())?;
        for it in &self.restarted {
            write!(f, "\n  restarted: {}: {}", it.component, it.error)?;
        }
        for it in &self.given_up {
            it.line(f, "given up")?;
        }
        for it in &self.let_go {
            it.line(f, "let go")?;
        }
        more(f, "let go", self.let_go_total, self.let_go.len())
    }
}

impl LetGo {
    fn line(&self, f: &mut impl fmt::Write, what: &str) -> fmt::Result {
        let (kind, name, age, why) = (&self.kind, &self.name, short(self.age), &self.why);
        write!(f, "\n  {what}: {kind} {name}, {age} old: {why}")
    }
}

/// How many there are that are not in the list.
fn more(f: &mut impl fmt::Write, what: &str, total: u64, listed: usize) -> fmt::Result {
    match total.saturating_sub(listed as u64) {
        0 => Ok(()),
        n => write!(f, "\n  {what}: {n} more"),
    }
}

/// How many there have been of which a list has the latest.
fn latest(f: &mut impl fmt::Write, what: &str, total: u64, kept: usize) -> fmt::Result {
    if total > kept as u64 {
        write!(
            f,
            "\n  {what}: {total} in all, of which these {kept} were the last"
        )?;
    }
    Ok(())
}

fn by_kind(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter().map(|(kind, n)| plural(*n, kind));
    counts.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.headline(&mut text)?;
        self.lines(&mut text)?;
        if text.len() > TWICE {
            text.push('\n');
            self.headline(&mut text)?;
            if self.let_go_total > 0 {
                text.push_str("; let go: ");
                text.push_str(&by_kind(&self.let_go_by_kind));
            }
        }
        f.write_str(&text)
    }
}
