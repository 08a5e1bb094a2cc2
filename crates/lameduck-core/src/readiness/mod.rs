//! Readiness checks: whether what the service depends on answers.
//!
//! # What must hold
//!
//! 1. A check runs on the application's runtime, where its pools have their timers and sockets; so
//!    a blocked runtime fails readiness, by time-out.
//! 2. Whoever asks waits no longer than the check's time-out.
//! 3. Nor does a blocked runtime hold the time-out up: it is kept by the probes' runtime, where there
//!    is one, whoever asked.
//! 4. At most one run of a check is under way, be it one that was given up but is still blocked in
//!    the middle of a poll: it holds the check's only permit until it is really gone.
//! 5. No check runs on once the shutdown has begun: it would hold what is about to be closed.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, timeout_at};

use crate::base::BoxError;
use crate::base::abort_on_drop::AbortOnDrop;
use crate::base::text::{panicked, short, with_causes};
use crate::report::details;
use crate::report::redact::without_passwords;
use crate::shutdown::phase::{Phase, Phases};

type Run = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync;

/// A dependency without which the service should get no traffic.
pub struct Check {
    name: String,
    timeout: Duration,
    run: Arc<Run>,
}

impl Check {
    /// A check called `name` that fails if `run` does, or takes longer than `timeout`.
    pub fn new<F, Fut>(name: impl Into<String>, timeout: Duration, run: F) -> Check
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Check {
            name: name.into(),
            timeout,
            run: Arc::new(move || Box::pin(run())),
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// How one run of a check ended.
#[derive(Clone, Debug)]
pub struct CheckOutcome {
    /// How long it took.
    pub took: Duration,
    /// What went wrong, if anything did.
    pub error: Option<String>,
    ended: Instant,
}

impl CheckOutcome {
    fn of(began: Instant, result: Result<(), String>) -> CheckOutcome {
        let ended = Instant::now();
        CheckOutcome {
            took: ended - began,
            error: result.err(),
            ended,
        }
    }
}

/// All checks of the process.
#[derive(Debug)]
pub struct Readiness {
    /// Empty until start-up is over: before that readiness fails whatever the checks say.
    runners: OnceLock<Vec<Arc<CheckRunner>>>,
    main: runtime::Handle,
    phases: Phases,
}

impl Readiness {
    /// Runs checks on `main`, until `phases` says that the shutdown has begun.
    pub fn new(main: runtime::Handle, phases: Phases) -> Readiness {
        Readiness {
            runners: OnceLock::new(),
            main,
            phases,
        }
    }

    /// From here on readiness depends on `checks`, whose time-outs `clock` keeps. They are set once.
    pub fn depend_on(&self, checks: Vec<Check>, clock: &runtime::Handle) {
        let runner = |check| {
            Arc::new(CheckRunner {
                check,
                clock: clock.clone(),
                main: self.main.clone(),
                phases: self.phases.clone(),
                permit: Arc::new(Semaphore::new(1)),
                state: Mutex::default(),
            })
        };
        let _ = self.runners.set(checks.into_iter().map(runner).collect());
    }

    fn runners(&self) -> &[Arc<CheckRunner>] {
        self.runners.get().map_or(&[], Vec::as_slice)
    }

    /// Runs every check, all at the same time, or joins the run that is under way.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the runs go on for whoever else waits for them.
    pub async fn run(&self) -> Vec<(&str, CheckOutcome)> {
        let flights: Vec<_> = self.runners().iter().map(CheckRunner::join).collect();
        let mut outcomes = Vec::with_capacity(flights.len());
        for (runner, mut flight) in self.runners().iter().zip(flights) {
            let outcome = match flight.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            };
            let outcome = outcome.unwrap_or_else(|| {
                CheckOutcome::of(Instant::now(), Err("the run was lost".to_owned()))
            });
            outcomes.push((runner.check.name.as_str(), outcome));
        }
        outcomes
    }

    /// Whether there is any check.
    pub fn depends(&self) -> bool {
        !self.runners().is_empty()
    }

    /// Whether every check passes, as of `age` ago at the earliest: one whose last outcome is older is
    /// run.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`run`](Readiness::run) is.
    pub async fn passes(&self, age: Duration) -> bool {
        let recent: Option<Vec<_>> = self
            .runners()
            .iter()
            .map(|runner| runner.recent(age))
            .collect();
        match recent {
            Some(recent) => recent.iter().all(|o| o.error.is_none()),
            None => self.run().await.iter().all(|(_, o)| o.error.is_none()),
        }
    }

    /// Begins to run the checks whose last outcome is older than `age`, and waits for nobody.
    pub fn refresh(&self, age: Duration) {
        for runner in self.runners() {
            if runner.recent(age).is_none() {
                runner.join();
            }
        }
    }

    /// How each check ended when it ran last; `None` if it has not run yet.
    pub fn latest(&self) -> Vec<(&str, Option<CheckOutcome>)> {
        self.runners()
            .iter()
            .map(|runner| (runner.check.name.as_str(), runner.latest()))
            .collect()
    }
}

/// A run under way: `None` until its outcome is there.
type Flight = watch::Receiver<Option<CheckOutcome>>;

/// One check, its run under way and its last outcome.
#[derive(Debug)]
struct CheckRunner {
    check: Check,
    clock: runtime::Handle,
    main: runtime::Handle,
    phases: Phases,
    permit: Arc<Semaphore>,
    state: Mutex<RunState>,
}

#[derive(Debug, Default)]
struct RunState {
    flight: Option<Flight>,
    latest: Option<CheckOutcome>,
}

impl CheckRunner {
    fn state(&self) -> MutexGuard<'_, RunState> {
        // Fields are replaced whole, so a poisoned state is still a whole state.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn latest(&self) -> Option<CheckOutcome> {
        self.state().latest.clone()
    }

    /// The last outcome if it is younger than `age`.
    fn recent(&self, age: Duration) -> Option<CheckOutcome> {
        self.latest().filter(|o| o.ended.elapsed() < age)
    }

    /// The run under way, or else a new one.
    fn join(self: &Arc<Self>) -> Flight {
        let mut state = self.state();
        if let Some(flight) = &state.flight
            && flight.borrow().is_none()
            && flight.has_changed().is_ok()
        {
            return flight.clone();
        }
        let (landing, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let runner = self.clone();
        self.clock.spawn(async move {
            let outcome = runner.fly().await;
            runner.state().latest = Some(outcome.clone());
            let _ = landing.send(Some(outcome));
        });
        flight
    }

    async fn fly(&self) -> CheckOutcome {
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            _ = self.phases.reached(Phase::LameDuck) => Err("given up: the shutdown has begun".to_owned()),
            result = self.run_on_main(began) => result,
        };
        CheckOutcome::of(began, result)
    }

    async fn run_on_main(&self, began: Instant) -> Result<(), String> {
        let deadline = began + self.check.timeout;
        let late = || format!("no answer within {}", short(self.check.timeout));
        let Ok(permit) = timeout_at(deadline, self.permit.clone().acquire_owned()).await else {
            return Err(format!("{}: the run before is still blocked", late()));
        };
        let run = self.check.run.clone();
        // The closure is the application's too: it is called over there, where it may block, panic
        // or look for its runtime.
        let mut running = AbortOnDrop(self.main.spawn(async move {
            let _permit = permit;
            run().await
        }));
        match timeout_at(deadline, &mut running.0).await {
            Ok(Ok(result)) => result.map_err(|e| told(&*e)),
            Ok(Err(e)) => Err(lost(e)),
            Err(_) => Err(late()),
        }
    }
}

/// What is told of the error of a check: whoever sees the probes need not be somebody who may see it.
fn told(error: &dyn Error) -> String {
    match details::are_told() {
        true => without_passwords(&with_causes(error)).into_owned(),
        false => details::NOT_TOLD.to_owned(),
    }
}

/// Why a run ended without a result.
fn lost(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else {
        return "the application's runtime has ended".to_owned();
    };
    match details::are_told() {
        true => panicked(&*panic),
        false => "panicked".to_owned(),
    }
}

#[cfg(test)]
mod tests;
