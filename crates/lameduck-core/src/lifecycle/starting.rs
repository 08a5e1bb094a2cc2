//! The start-up: steps that may take long or fail, and what becomes of the process then.
//!
//! # What must hold
//!
//! 1. A shutdown that begins during a step ends the step.
//! 2. Whatever goes wrong before [`run`](Lifecycle::run), `run` still closes what there is, says what was wrong, and
//!    ends with the exit code for it: 1 for a failure, 2 for bad configuration.
//! 3. After the first step that was given up or has failed no other begins.

use std::future::Future;

use super::builder::Lifecycle;
use crate::base::BadConfiguration;
use crate::base::BoxError;
use crate::base::bounded::catch_panic;
use crate::base::text::{panicked, with_causes};
use crate::component::StartError;

impl Lifecycle {
    /// Waits for a step of the start-up, such as connecting to a database. `None` if it fails or panics, if the shutdown
    /// begins first, or if the configuration cannot be used. Then run the lifecycle: it closes what it has,
    /// says what was wrong, and ends the process.
    ///
    /// ```no_run
    /// # use std::io::Error;
    /// # async fn connect() -> Result<u32, Error> { Ok(1) }
    /// # async fn load() -> Result<u32, Error> { Ok(1) }
    /// # async fn start() -> lameduck_core::Exit {
    /// let mut life = lameduck_core::Lifecycle::new();
    /// let Some(database) = life.starting("database", connect()).await else {
    ///     return life.run().await;
    /// };
    /// life = life.close_with("database", || async { Ok::<_, Error>(()) });
    /// let Some(catalogue) = life.starting("catalogue", load()).await else {
    ///     return life.run().await; // closes the database
    /// };
    /// # let _ = (database, catalogue);
    /// life.run().await
    /// # }
    /// ```
    ///
    /// A step that fails is in the report by name, and the exit code is 1. It is 2 if the error, or one of
    /// its sources, is a [`BadConfiguration`] or [`StartError::BadConfiguration`]. A step that cannot fail:
    /// [`starting_infallible`](Lifecycle::starting_infallible).
    ///
    /// The [`probes`](Lifecycle::probes), if there are any by now, answer from here on: liveness is good, readiness is
    /// not.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `step`.
    pub async fn starting<T, E>(
        &mut self,
        name: &str,
        step: impl Future<Output = Result<T, E>>,
    ) -> Option<T>
    where
        E: Into<BoxError>,
    {
        match self.starting_infallible(name, catch_panic(step)).await? {
            Ok(Ok(done)) => Some(done),
            Ok(Err(error)) => {
                let error = error.into();
                match is_bad_configuration(&*error) {
                    true => self.bad.push(format!("{name}: {}", with_causes(&*error))),
                    false => self.handle.fail(name, error),
                }
                None
            }
            Err(panic) => {
                self.handle.fail(name, panicked(&*panic));
                None
            }
        }
    }

    /// The same for a step that cannot fail, such as filling a cache. `None` if the shutdown begins first, or the
    /// configuration cannot be used. A panic is the caller's.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `step`.
    pub async fn starting_infallible<T>(
        &mut self,
        name: &str,
        step: impl Future<Output = T>,
    ) -> Option<T> {
        if self.is_forked() || self.open_probes().is_err() {
            return None;
        }
        let guard = self.handle.track("start-up", name.to_owned());
        tokio::select! {
            biased;
            () = self.handle.until_shutdown() => {
                let journal = self.handle.journal();
                journal.given_up(&guard.entry(), "the shutdown began");
                None
            }
            done = step => Some(done),
        }
    }

    /// The process cannot start, because `what` has failed: [`run`](Lifecycle::run) closes what there is, says why,
    /// and ends with exit code 1. For what fails outside of a [`starting`](Lifecycle::starting).
    ///
    /// ```no_run
    /// # async fn start() -> lameduck_core::Exit {
    /// let life = lameduck_core::Lifecycle::new();
    /// let spool = match std::fs::create_dir("spool") {
    ///     Ok(it) => it,
    ///     Err(e) => return life.fail("spool", e).run().await,
    /// };
    /// # life.run().await }
    /// ```
    ///
    /// While the process runs: [`Handle::fail`](crate::Handle::fail).
    pub fn fail(self, what: &str, error: impl Into<BoxError>) -> Self {
        self.handle.fail(what, error);
        self
    }

    /// A setting of the application's own cannot be used: [`run`](Lifecycle::run) closes what there is, says `problem`
    /// along with all else that is wrong, and ends with exit code 2. `problem` says what was found, and what to
    /// write instead.
    ///
    /// ```no_run
    /// # async fn start() -> lameduck_core::Exit {
    /// let life = lameduck_core::Lifecycle::new();
    /// let Ok(workers) = std::env::var("WORKERS").unwrap_or("4".into()).parse::<u32>() else {
    ///     let problem = "WORKERS: expected a number, for example 4";
    ///     return life.misconfigured(problem).run().await;
    /// };
    /// # let _ = workers; life.run().await }
    /// ```
    pub fn misconfigured(mut self, problem: impl std::fmt::Display) -> Self {
        self.bad.push(problem.to_string());
        self
    }
}

/// Whether it, or what caused it, is bad configuration.
fn is_bad_configuration(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |it| it.source());
    chain.any(|it| {
        let start = it.downcast_ref::<StartError>();
        it.is::<BadConfiguration>() || matches!(start, Some(StartError::BadConfiguration(_)))
    })
}
