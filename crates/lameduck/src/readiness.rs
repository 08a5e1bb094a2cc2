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
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};

use crate::component::BoxError;
use crate::details;
use crate::phase::{Phase, Phases};
use crate::redact::without_passwords;
use crate::report::{panic_text, short};

type Run = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync;

/// A dependency without which the service should get no traffic.
pub(crate) struct Check {
    name: String,
    timeout: Duration,
    run: Arc<Run>,
}

impl Check {
    /// A check called `name` that fails if `run` does, or takes longer than `timeout`.
    pub(crate) fn new<F, Fut>(name: impl Into<String>, timeout: Duration, run: F) -> Check
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
pub(crate) struct Outcome {
    pub took: Duration,
    /// What went wrong, if anything did.
    pub error: Option<String>,
    ended: Instant,
}

impl Outcome {
    fn of(began: Instant, result: Result<(), String>) -> Outcome {
        let ended = Instant::now();
        Outcome {
            took: ended - began,
            error: result.err(),
            ended,
        }
    }
}

/// All checks of the process.
#[derive(Debug)]
pub(crate) struct Readiness {
    /// Empty until start-up is over: before that readiness fails whatever the checks say.
    desks: OnceLock<Vec<Arc<Desk>>>,
    main: runtime::Handle,
    phases: Phases,
}

impl Readiness {
    /// Runs checks on `main`, until `phases` says that the shutdown has begun.
    pub fn new(main: runtime::Handle, phases: Phases) -> Readiness {
        Readiness {
            desks: OnceLock::new(),
            main,
            phases,
        }
    }

    /// From here on readiness depends on `checks`, whose time-outs `clock` keeps. They are set once.
    pub fn depend_on(&self, checks: Vec<Check>, clock: &runtime::Handle) {
        let desk = |check| {
            Arc::new(Desk {
                check,
                clock: clock.clone(),
                main: self.main.clone(),
                phases: self.phases.clone(),
                permit: Arc::new(Semaphore::new(1)),
                book: Mutex::default(),
            })
        };
        let _ = self.desks.set(checks.into_iter().map(desk).collect());
    }

    fn desks(&self) -> &[Arc<Desk>] {
        self.desks.get().map_or(&[], Vec::as_slice)
    }

    /// Runs every check, all at the same time, or joins the run that is under way.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the runs go on for whoever else waits for them.
    pub async fn run(&self) -> Vec<(&str, Outcome)> {
        let flights: Vec<_> = self.desks().iter().map(Desk::join).collect();
        let mut outcomes = Vec::with_capacity(flights.len());
        for (desk, mut flight) in self.desks().iter().zip(flights) {
            let outcome = match flight.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            };
            let outcome = outcome
                .unwrap_or_else(|| Outcome::of(Instant::now(), Err("the run was lost".to_owned())));
            outcomes.push((desk.check.name.as_str(), outcome));
        }
        outcomes
    }

    /// Whether there is any check.
    #[cfg(feature = "tonic-health")]
    pub fn depends(&self) -> bool {
        !self.desks().is_empty()
    }

    /// Whether every check passes, as of `age` ago at the earliest: one whose last outcome is older is
    /// run.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`run`](Readiness::run) is.
    #[cfg(feature = "tonic-health")]
    pub async fn passes(&self, age: Duration) -> bool {
        let recent: Option<Vec<_>> = self.desks().iter().map(|desk| desk.recent(age)).collect();
        match recent {
            Some(recent) => recent.iter().all(|o| o.error.is_none()),
            None => self.run().await.iter().all(|(_, o)| o.error.is_none()),
        }
    }

    /// Begins to run the checks whose last outcome is older than `age`, and waits for nobody.
    pub fn refresh(&self, age: Duration) {
        for desk in self.desks() {
            if desk.recent(age).is_none() {
                desk.join();
            }
        }
    }

    /// How each check ended when it ran last; `None` if it has not run yet.
    pub fn latest(&self) -> Vec<(&str, Option<Outcome>)> {
        self.desks()
            .iter()
            .map(|desk| (desk.check.name.as_str(), desk.latest()))
            .collect()
    }
}

/// A run under way: `None` until its outcome is there.
type Flight = watch::Receiver<Option<Outcome>>;

/// One check, its run under way and its last outcome.
#[derive(Debug)]
struct Desk {
    check: Check,
    clock: runtime::Handle,
    main: runtime::Handle,
    phases: Phases,
    permit: Arc<Semaphore>,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    flight: Option<Flight>,
    latest: Option<Outcome>,
}

impl Desk {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Fields are replaced whole, so a poisoned book is still a whole book.
        self.book.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn latest(&self) -> Option<Outcome> {
        self.book().latest.clone()
    }

    /// The last outcome if it is younger than `age`.
    fn recent(&self, age: Duration) -> Option<Outcome> {
        self.latest().filter(|o| o.ended.elapsed() < age)
    }

    /// The run under way, or else a new one.
    fn join(self: &Arc<Self>) -> Flight {
        let mut book = self.book();
        if let Some(flight) = &book.flight
            && flight.borrow().is_none()
            && flight.has_changed().is_ok()
        {
            return flight.clone();
        }
        let (landing, flight) = watch::channel(None);
        book.flight = Some(flight.clone());
        let desk = self.clone();
        self.clock.spawn(async move {
            let outcome = desk.fly().await;
            desk.book().latest = Some(outcome.clone());
            let _ = landing.send(Some(outcome));
        });
        flight
    }

    async fn fly(&self) -> Outcome {
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            _ = self.phases.reached(Phase::LameDuck) => Err("given up: the shutdown has begun".to_owned()),
            result = self.run_on_main(began) => result,
        };
        Outcome::of(began, result)
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

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
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
        true => format!("panicked: {}", panic_text(&*panic)),
        false => "panicked".to_owned(),
    }
}

/// `could not connect: connection refused`.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let e_text = e.to_string();
        // Many errors already end with the text of their cause.
        if !text.ends_with(&e_text) {
            text.push_str(": ");
            text.push_str(&e_text);
        }
        cause = e.source();
    }
    text
}

#[cfg(test)]
mod tests;
