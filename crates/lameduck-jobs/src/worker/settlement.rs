//! Telling the queue what has become of its jobs.
//!
//! # What must hold
//!
//! 1. Every job that was claimed leaves here removed from the [`HeldJobs`]: settled with its queue, or
//!    written down with the reason why that could not be done.
//! 2. A queue is not told twice that a job goes back, unless it is certain that nobody else can have it
//!    yet: the answer may have been lost, and not the call.
//! 3. Where the queue may believe that we have a job which is not among the held ones any more, they are
//!    reconciled ([`ReconcileFlag`]).

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tracing::Level;

use crate::handler::job::Outcome;
use crate::held::held_jobs::{HeldJob, HeldJobs};
use crate::held::reconcile_flag::ReconcileFlag;
use crate::queue::backoff::QueueBackoff;
use crate::queue::contract::{Queue, Settled};
use lameduck_core::BoxError;
use lameduck_core::Handle;
use lameduck_core::inflight::kind::{INTAKE, JOB};
use lameduck_core::internal::panic_text;
use lameduck_core::internal::voice;

/// How a handler has ended: what it returned, or what it panicked with.
pub(crate) type Ended = std::thread::Result<Result<Outcome, BoxError>>;

/// Where jobs are settled.
pub(crate) struct Settlement<Q: Queue> {
    pub(crate) name: Arc<str>,
    pub(crate) queue: Arc<Q>,
    pub(crate) handle: Handle,
    pub(crate) held_jobs: Arc<HeldJobs<Q::Lease>>,
    /// One permit for each job whose handler may have ended without its queue having been told.
    pub(crate) telling: Semaphore,
    pub(crate) reconcile: ReconcileFlag,
    /// A job was taken whose lease ends before the lease renewer would look.
    pub(crate) ends_soon: Notify,
}

/// How long a cancelled handler may take to notice before its job is given back all the same; less
/// if there is little time left for that.
pub(crate) const NOTICE: Duration = Duration::from_millis(100);

impl<Q: Queue> Settlement<Q> {
    /// Settles a job that is not done, for who has claimed it.
    pub(crate) async fn not_done(&self, it: &HeldJob<Q::Lease>, ended: Ended) {
        let failed = match ended {
            Ok(Ok(_)) => {
                let leases = [&it.lease];
                let given = self.until_back(it, "giving back", || async {
                    let given = self.queue.give_back(&leases).await;
                    given.map(|()| Settled::Ours)
                });
                self.close(it, "to be given back", given.await);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => {
                let message = panic_text(&*panic);
                let name = it.job.name();
                self.handle.journal().panicked(JOB, name, message);
                format!("panicked: {message}")
            }
        };
        let (worker, job, attempt) = (self.name.clone(), it.job.clone(), it.job.attempt());
        let error = failed.clone();
        voice::event(Level::WARN, move || {
            tracing::warn!(target: "lameduck", worker = &*worker, job = job.id(), attempt, error, "job failed");
        });
        let settled = self.until_back(it, "failing a job", || {
            self.queue.failed(&it.lease, &failed)
        });
        self.close(it, "failed", settled.await);
    }

    /// The lease of a job is no longer ours.
    pub(crate) fn lost(&self, it: &HeldJob<Q::Lease>) {
        if it.claim() {
            it.cancel();
            self.close(it, "cancelled", Ok(Settled::NotOurs));
        }
    }

    /// Gives up every job whose lease is over.
    pub(crate) fn lose_what_is_over(&self) {
        for it in self.held_jobs.all() {
            if it.clock.is_over() {
                self.lost(&it);
            }
        }
    }

    /// `it` has just been taken: any earlier attempt at the same job that is still held is over, or the
    /// queue would not have handed it out again.
    pub(crate) fn supersede_earlier(&self, it: &Arc<HeldJob<Q::Lease>>) {
        let same = |other: &Q::Lease| self.queue.same_job(other, &it.lease);
        for earlier in self.held_jobs.others(it, same) {
            earlier.supersede();
            self.lost(&earlier);
        }
    }

    /// Gives back what the queue believes to be ours and nobody here knows of. To be called only while
    /// nothing is taken.
    pub(crate) async fn give_back_unknown(&self) -> Result<(), BoxError> {
        let held = self.held_jobs.all();
        let known: Vec<&Q::Lease> = held.iter().map(|it| &it.lease).collect();
        let given = self.queue.give_back_unknown(&known).await?;
        if given > 0 {
            let worker = self.name.clone();
            voice::event(Level::WARN, move || {
                tracing::warn!(
                    target: "lameduck", worker = &*worker, jobs = given,
                    "gave back jobs that the queue believed to be ours and that nobody here knew of"
                );
            });
        }
        Ok(())
    }

    /// The same in a shutdown: until it has succeeded, or nothing more can be waited for.
    pub(crate) async fn give_back_unknown_at_the_end(&self) {
        self.reconcile.take();
        let guard = self.handle.track(INTAKE, self.name.to_string());
        let what = "giving back what is not known here";
        if let Err(why) = self.until_settled(what, || self.give_back_unknown()).await {
            let why =
                format!("jobs that an answer may have been lost of were not given back: {why}");
            self.handle.journal().cut(&guard.entry(), &why);
        }
    }

    /// Gives back jobs that have not started.
    pub(crate) async fn unstarted(&self, held: Vec<Arc<HeldJob<Q::Lease>>>) {
        let held: Vec<_> = held.into_iter().filter(|it| it.claim()).collect();
        if held.is_empty() {
            return;
        }
        let (worker, jobs) = (self.name.clone(), held.len());
        voice::event(Level::INFO, move || {
            tracing::info!(target: "lameduck", worker = &*worker, jobs, "giving back what has not started");
        });
        let guard = self.handle.track(INTAKE, self.name.to_string());
        if let Err(why) = self.give_back(&held).await {
            let why = format!("{} jobs not given back: {why}", held.len());
            self.handle.journal().cut(&guard.entry(), &why);
        }
        for it in held {
            self.held_jobs.remove(&it);
        }
    }

    /// Ends the subscription.
    pub(crate) async fn unsubscribe(&self) {
        let guard = self.handle.track(INTAKE, self.name.to_string());
        let closed = self.until_settled("unsubscribing", || self.queue.close());
        if let Err(why) = closed.await {
            let why = format!("the subscription was not ended: {why}");
            self.handle.journal().cut(&guard.entry(), &why);
        }
    }

    /// Cancels everything that still runs and gives it back.
    pub(crate) async fn let_go(&self) {
        let mut left = self.held_jobs.all();
        left.retain(|it| it.claim());
        if left.is_empty() {
            return;
        }
        for it in &left {
            it.cancel();
        }
        let over = async {
            for it in &left {
                it.over().await;
            }
        };
        let _ = tokio::time::timeout(NOTICE.min(self.left_to_give_back() / 4), over).await;
        let given = self.give_back(&left).await;
        for it in &left {
            let noticed = match it.is_over() {
                true => "cancelled",
                false => "does not react to being cancelled",
            };
            let why = match &given {
                Ok(()) => format!("{noticed} when the time for draining was over, given back"),
                Err(why) => {
                    format!("{noticed} when the time for draining was over, not given back: {why}")
                }
            };
            if let Some(entry) = it.entry() {
                self.handle.journal().cut(&entry, &why);
            }
            self.held_jobs.remove(it);
        }
    }

    /// Tells by `call` that a job goes back, as long as it is ours. If an answer was lost before, it is no
    /// wonder that it is not any more.
    async fn until_back<F>(
        &self,
        it: &HeldJob<Q::Lease>,
        what: &str,
        call: impl Fn() -> F,
    ) -> Result<Settled, String>
    where
        F: Future<Output = Result<Settled, BoxError>>,
    {
        let told = AtomicBool::new(false);
        self.until_settled(what, || async {
            if it.is_superseded() {
                return Ok(Settled::Ours);
            }
            if it.clock.is_over() {
                return Ok(Settled::NotOurs);
            }
            let again = told.swap(true, Ordering::Relaxed);
            let settled = call().await?;
            Ok(if again { Settled::Ours } else { settled })
        })
        .await
    }

    /// Gives back those of them that are still ours.
    async fn give_back(&self, held: &[Arc<HeldJob<Q::Lease>>]) -> Result<(), String> {
        self.until_settled("giving back", || async {
            let ours = held.iter().filter(|it| it.is_ours());
            let leases: Vec<&Q::Lease> = ours.map(|it| &it.lease).collect();
            self.queue.give_back(&leases).await
        })
        .await
    }

    /// Removes a job, and writes down what is to be said about it: how far it had come, and what
    /// its queue makes of it.
    pub(crate) fn close(
        &self,
        it: &HeldJob<Q::Lease>,
        how_far: &str,
        settled: Result<Settled, String>,
    ) {
        let why = match settled {
            Ok(Settled::Ours) => None,
            Ok(Settled::NotOurs) => Some(format!(
                "{how_far}, but its lease had ended: another worker has it, or will"
            )),
            Err(why) => Some(format!("{how_far}, but the queue could not be told: {why}")),
        };
        if let Some(why) = why {
            self.reconcile.raise();
            match it.entry() {
                Some(entry) if self.handle.is_shutting_down() => {
                    self.handle.journal().cut(&entry, &why)
                }
                _ => {
                    let (worker, job) = (self.name.clone(), it.job.clone());
                    voice::event(Level::WARN, move || {
                        tracing::warn!(target: "lameduck", worker = &*worker, job = job.id(), "{why}");
                    });
                }
            }
        }
        self.held_jobs.remove(it);
    }

    /// Repeats `call` until it succeeds, or nothing more can be waited for.
    async fn until_settled<T, F>(&self, what: &str, call: impl Fn() -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, BoxError>>,
    {
        let mut pause = QueueBackoff::new();
        let mut last = "the queue does not answer".to_owned();
        let trying = async {
            loop {
                match call().await {
                    Ok(settled) => {
                        pause.over(&self.name, what);
                        return settled;
                    }
                    Err(error) => {
                        last = error.to_string();
                        tokio::time::sleep(pause.after(&self.name, what, &error)).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            settled = trying => return Ok(settled),
            () = self.too_late() => {}
        }
        Err(last)
    }

    /// Completes shortly before the components are abandoned.
    pub(crate) async fn too_late(&self) {
        self.handle.until_drain_deadline().await;
        tokio::time::sleep(self.left_to_give_back() * 4 / 5).await;
    }

    fn left_to_give_back(&self) -> Duration {
        self.handle.left_until(self.handle.budget().let_go_until())
    }
}
