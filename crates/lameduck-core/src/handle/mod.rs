//! What every part of a process shares about its shutdown: the phase, the ledger, the time left,
//! and the way to begin it.
//!
//! # What must hold
//!
//! 1. A shutdown begins once. Whoever begins it, the clock starts at the first reason given.
//! 2. Nothing here waits for the async runtime, so that the signal thread and the watchdog can use
//!    all of it while every runtime thread is blocked.

mod metric;
mod spawn;
pub(crate) mod tokens;

pub use self::metric::{Metric, MetricKind, MetricSample};

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::base::clock::{Millis, now};
use crate::base::latch::Latch;
use crate::handle::tokens::Tokens;
use crate::inflight::{Ended, Guard, Ledger, Name, Token};
use crate::readiness::Readiness;
use crate::report::Report;
use crate::report::hooks::ReportHooks;
use crate::report::journal::{Facts, Journal};
use crate::shutdown::budget::Budget;
use crate::shutdown::dependents::Dependents;
use crate::shutdown::forced_end::{Cause, ForcedEnd};
use crate::shutdown::phase::{Phase, Phases};
use crate::shutdown::reason::Reason;
use crate::shutdown::traffic::Traffic;

/// The process's shutdown, as its parts see it. Cheap to clone; all clones are one.
///
/// The handle that a component is given knows by whom the component is used as well, and so do its
/// clones ([`until_unused`](Handle::until_unused)).
#[derive(Clone)]
pub struct Handle {
    shared: Arc<SharedHandle>,
    ties: HandleTies,
}

/// How the component that a handle was made for depends on others.
#[derive(Clone, Default)]
struct HandleTies {
    dependents: Dependents,
    /// Whether it uses another, which then waits for its end.
    waited_for: bool,
}

struct SharedHandle {
    made: Instant,
    phases: Phases,
    ledger: Ledger,
    budget: Mutex<Budget>,
    begun: OnceLock<Begun>,
    asked: Latch,
    signals: AtomicUsize,
    hurried: Latch,
    traffic: Traffic,
    let_go: Latch,
    tokens: Tokens,
    journal: Journal,
    report_hooks: ReportHooks,
    /// When the process is ended by force; not in one that somebody else owns.
    forced_end: OnceLock<Arc<ForcedEnd>>,
    /// Whether the report is written to standard error.
    tells_in_lines: AtomicBool,
    /// Whether what the environment says is meant for it.
    reads_environment: AtomicBool,
    /// The report, once it has been told. Locked while it is being handed over.
    told: Mutex<Option<Arc<Report>>>,
    /// What parts of the process above the engine keep with it, one of each type.
    extensions: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    /// Not ours to keep: its checks may hold handles.
    readiness: OnceLock<Weak<Readiness>>,
}

/// The handle of the first lifecycle that owns the process; there is seldom a second.
static OF_THE_PROCESS: OnceLock<Handle> = OnceLock::new();

struct Begun {
    at: Instant,
    reason: Reason,
    /// What had ended before, to tell what ended during.
    ended: Vec<Ended>,
}

impl Handle {
    #[doc(hidden)]
    pub fn new(phases: Phases) -> Handle {
        Handle {
            shared: Arc::new(SharedHandle {
                made: now(),
                phases,
                ledger: Ledger::new(),
                budget: Mutex::new(Budget::default()),
                begun: OnceLock::new(),
                asked: Latch::new(),
                signals: AtomicUsize::new(0),
                hurried: Latch::new(),
                traffic: Traffic::new(),
                let_go: Latch::new(),
                tokens: Tokens::default(),
                journal: Journal::default(),
                report_hooks: ReportHooks::default(),
                forced_end: OnceLock::new(),
                tells_in_lines: AtomicBool::new(true),
                reads_environment: AtomicBool::new(true),
                told: Mutex::new(None),
                extensions: Mutex::default(),
                readiness: OnceLock::new(),
            }),
            ties: HandleTies::default(),
        }
    }

    /// The handle for a component that `dependents` use, and for which others wait if it is
    /// `waited_for`.
    pub(crate) fn of_component(&self, dependents: Dependents, waited_for: bool) -> Handle {
        Handle {
            shared: self.shared.clone(),
            ties: HandleTies {
                dependents,
                waited_for,
            },
        }
    }

    /// Makes it the one of the process, unless there is one.
    pub(crate) fn owns_the_process(&self) {
        OF_THE_PROCESS.get_or_init(|| self.clone());
    }

    /// The one of the process, if a lifecycle owns it.
    #[doc(hidden)]
    pub fn of_the_process() -> Option<&'static Handle> {
        OF_THE_PROCESS.get()
    }

    /// Whether it, or what it is a component's share of, is the one of the process.
    #[doc(hidden)]
    pub fn is_of_the_process(&self) -> bool {
        let it = Handle::of_the_process();
        it.is_some_and(|it| Arc::ptr_eq(&it.shared, &self.shared))
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.shared.phases.now()
    }

    /// The phases, to wait for one from a task or a thread.
    pub fn phases(&self) -> &Phases {
        &self.shared.phases
    }

    /// Completes when the shutdown has begun: [`Phase::LameDuck`] or later. The moment to stop
    /// taking new work from queues and timers.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_lame_duck(&self) {
        self.shared.phases.reached(Phase::LameDuck).await;
    }

    /// Completes when what is in flight should come to its end: [`Phase::Draining`] or later.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_draining(&self) {
        self.shared.phases.reached(Phase::Draining).await;
    }

    /// Completes when the component that was given this handle may stop: the shutdown has begun, and
    /// everything that uses it ([`Lifecycle::depends_on`](crate::Lifecycle::depends_on)) has ended. At once
    /// after [`until_lame_duck`](Handle::until_lame_duck) if nothing does, and on every handle that was not
    /// given to a component.
    ///
    /// Should the users not end before the time for draining is over, it completes then, with
    /// [`until_drain_deadline`](Handle::until_drain_deadline): all are let go together, and there is a fifth of the
    /// [reserve](Budget::reserve) (1 s of 30 s) left to finish.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_unused(&self) {
        self.until_lame_duck().await;
        tokio::select! {
            biased;
            () = self.ties.dependents.gone() => {}
            () = self.until_drain_deadline() => {}
        }
    }

    /// Whether another component waits for the one that this handle was made for.
    #[doc(hidden)]
    pub fn is_waited_for(&self) -> bool {
        self.ties.waited_for
    }

    /// Completes when the time for draining is over and whoever is left is let go. The last moment
    /// to give work back.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_drain_deadline(&self) {
        self.shared.let_go.until_set().await;
    }

    /// Whether the time for draining is over.
    #[inline]
    pub fn is_past_drain_deadline(&self) -> bool {
        self.shared.let_go.is_set()
    }

    /// Enters a piece of work in the ledger until the guard is dropped. The shutdown waits for it,
    /// and names it if it has to be let go.
    ///
    /// Beside `tokio_util::task::TaskTracker`, which counts tasks: this knows their kind, name and
    /// age as well, and is not tied to a task. Where a count is enough, [`track_unnamed`](Handle::track_unnamed)
    /// is cheaper.
    ///
    /// ```
    /// # let handle = lameduck_core::Lifecycle::new().handle();
    /// let _import = handle.track("import", "customers.csv");
    /// ```
    #[inline]
    pub fn track(&self, kind: &'static str, name: impl Into<Name>) -> Guard {
        self.shared.ledger.track(kind, name)
    }

    /// The same for work that began at `since`, which saves a look at the clock.
    #[doc(hidden)]
    #[inline]
    pub fn track_since(&self, kind: &'static str, name: Name, since: Millis) -> Guard {
        self.shared.ledger.track_since(kind, name, since)
    }

    /// The same under a short name, of what is done, and to what, which saves a copy of it; `None` if that is longer than
    /// [`Name::SHORT`].
    #[doc(hidden)]
    #[inline]
    pub fn track_short(
        &self,
        kind: &'static str,
        verb: &'static str,
        what: &str,
        since: Millis,
    ) -> Option<Guard> {
        self.shared.ledger.track_short(kind, verb, what, since)
    }

    /// Counts a piece of work as in flight until the token is dropped. The shutdown waits for it
    /// but cannot name it.
    pub fn track_unnamed(&self) -> Token {
        self.shared.ledger.track_unnamed()
    }

    /// Everything in flight.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Begins the shutdown. The first reason counts; later calls do nothing.
    pub fn shutdown(&self, reason: impl Into<String>) {
        self.begin(Reason::Asked(reason.into()));
    }

    /// The time left until the process ends itself by force. Before the shutdown has begun: all of
    /// the grace but the watchdog's margin.
    pub fn time_left(&self) -> Duration {
        self.left_until(self.budget().forced_at())
    }

    /// The whole time budget.
    pub fn budget(&self) -> Budget {
        *self.shared.budget.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn set_budget(&self, budget: Budget) {
        *self.shared.budget.lock().unwrap_or_else(|e| e.into_inner()) = budget;
        self.plan_the_end();
    }

    /// From now on `forced_end` says when the process is ended by force.
    pub(crate) fn ends_by(&self, forced_end: Arc<ForcedEnd>) {
        let _ = self.shared.forced_end.set(forced_end);
        self.plan_the_end();
    }

    /// When the process is ended by force. `None` in one that somebody else owns.
    pub(crate) fn forced_end(&self) -> Option<&Arc<ForcedEnd>> {
        self.shared.forced_end.get()
    }

    /// Plans the end by force, if the shutdown has begun.
    fn plan_the_end(&self) {
        if let (Some(forced_end), true) = (self.forced_end(), self.is_shutting_down()) {
            let budget = self.budget();
            let patience = budget.patience();
            let from_now = self.left_until(budget.forced_at());
            forced_end.plan(from_now, patience, Cause::Deadline, 124);
        }
    }

    /// The moment `offset` after the signal; `None` before the shutdown has begun.
    #[doc(hidden)]
    pub fn moment(&self, offset: Duration) -> Option<Instant> {
        self.shared.begun.get().map(|begun| begun.at + offset)
    }

    /// How long ago the shutdown began; `None` if it has not.
    #[doc(hidden)]
    pub fn begun_for(&self) -> Option<Duration> {
        let begun = self.shared.begun.get()?;
        Some(now().saturating_duration_since(begun.at))
    }

    /// How long ago the lifecycle was made.
    #[doc(hidden)]
    pub fn uptime(&self) -> Duration {
        now().saturating_duration_since(self.shared.made)
    }

    /// How much of the time until `offset` after the signal is left.
    #[doc(hidden)]
    pub fn left_until(&self, offset: Duration) -> Duration {
        match self.moment(offset) {
            Some(moment) => moment.saturating_duration_since(now()),
            None => offset,
        }
    }

    /// Begins the shutdown; says whether this call did it.
    #[doc(hidden)]
    pub fn begin(&self, reason: Reason) -> bool {
        let mut first = false;
        self.shared.begun.get_or_init(|| {
            first = true;
            Begun {
                at: now(),
                reason,
                ended: self.shared.ledger.ended(),
            }
        });
        if first {
            self.plan_the_end();
            self.shared.asked.set();
            self.shared.tokens.shutdown_begins();
        }
        first
    }

    /// Whether the shutdown has begun. True from the signal on, a moment before the phase changes,
    /// which takes the application's runtime.
    #[inline]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.begun.get().is_some()
    }

    #[doc(hidden)]
    pub fn reason(&self) -> Option<&Reason> {
        self.shared.begun.get().map(|begun| &begun.reason)
    }

    /// Completes once the shutdown has begun, by a signal or by a call: the moment at which
    /// [`is_shutting_down`](Handle::is_shutting_down) turns true.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_shutdown(&self) {
        self.shared.asked.until_set().await;
    }

    /// A signal has come that is no repeat. Returns how many have come so far.
    #[doc(hidden)]
    pub fn signalled(&self, signal: i32) -> usize {
        self.told_to_stop(Reason::Signal(signal))
    }

    /// The same for one from a key of the terminal.
    pub(crate) fn pressed(&self, signal: i32) -> usize {
        self.told_to_stop(Reason::Key(signal))
    }

    fn told_to_stop(&self, reason: Reason) -> usize {
        let n = self.shared.signals.fetch_add(1, Ordering::AcqRel) + 1;
        self.begin(reason);
        if n > 1 {
            self.shared.hurried.set();
        }
        n
    }

    /// Completes once a second signal has come. Cancel safe.
    #[doc(hidden)]
    pub async fn until_hurried(&self) {
        self.shared.hurried.until_set().await;
    }

    /// Whether a second signal has come: no more waiting for quiet.
    #[doc(hidden)]
    pub fn is_hurried(&self) -> bool {
        self.shared.hurried.is_set()
    }

    /// Whether traffic goes on.
    #[doc(hidden)]
    #[inline]
    pub fn traffic(&self) -> &Traffic {
        &self.shared.traffic
    }

    pub(crate) fn start_letting_go(&self) {
        self.shared.let_go.set();
        self.shared.tokens.drain_is_over();
    }

    /// Those of the application's that get the report.
    pub(crate) fn report_hooks(&self) -> &ReportHooks {
        &self.shared.report_hooks
    }

    /// Tokens for code that knows nothing of a handle.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.shared.tokens
    }

    #[doc(hidden)]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// What a part of the process above the engine keeps with this shutdown: one value of each type, made
    /// by whoever asks first. `make` is not to ask for another.
    pub fn extension<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut all = self
            .shared
            .extensions
            .lock()
            .unwrap_or_else(|e| e.into_inner());
        let found = all
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(make()));
        // Entered under its own type.
        found.clone().downcast().unwrap_or_else(|_| unreachable!())
    }

    /// What readiness depends on beside the phase, for as long as it is kept.
    #[doc(hidden)]
    pub fn depend_on(&self, readiness: &Arc<Readiness>) {
        let _ = self.shared.readiness.set(Arc::downgrade(readiness));
    }

    /// What readiness depends on beside the phase; `None` before the start-up is over, and when the lifecycle is
    /// gone.
    pub fn readiness(&self) -> Option<Arc<Readiness>> {
        self.shared.readiness.get()?.upgrade()
    }

    /// The address that a server listens on, once it does; with the port that the system chose if
    /// it was asked to (`127.0.0.1:0`). The probes are called `probes`.
    pub fn address(&self, component: &str) -> Option<String> {
        self.journal().address(component)
    }

    pub(crate) fn set_tells_in_lines(&self, on: bool) {
        self.shared.tells_in_lines.store(on, Ordering::Relaxed);
    }

    pub(crate) fn set_reads_environment(&self, on: bool) {
        self.shared.reads_environment.store(on, Ordering::Relaxed);
    }

    /// Whether what the environment says is meant for this lifecycle.
    #[doc(hidden)]
    pub fn reads_environment(&self) -> bool {
        self.shared.reads_environment.load(Ordering::Relaxed)
    }

    /// Whether the report is written to standard error.
    pub(crate) fn tells_in_lines(&self) -> bool {
        self.shared.tells_in_lines.load(Ordering::Relaxed)
    }

    /// The report, once it has been told. Whoever hands one over holds this meanwhile: what is said last is what
    /// counts.
    pub(crate) fn told(&self) -> MutexGuard<'_, Option<Arc<Report>>> {
        self.shared.told.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The report as of now. What is still in the ledger is let go because of `why_left`.
    #[doc(hidden)]
    pub fn report(&self, why_left: &str, forced: Option<u8>) -> Report {
        let begun = self.shared.begun.get();
        self.journal().report(&Facts {
            reason: begun.map_or_else(|| "no signal".to_owned(), |b| b.reason.to_string()),
            began: begun.map(|b| b.at),
            grace: self.budget().grace(),
            signals: self.shared.signals.load(Ordering::Acquire),
            ledger: self.ledger(),
            ended_before: begun.map_or(&[], |b| &b.ended),
            why_left,
            forced,
        })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("phase", &self.phase())
            .field("in_flight", &self.shared.ledger.len())
            .finish()
    }
}
