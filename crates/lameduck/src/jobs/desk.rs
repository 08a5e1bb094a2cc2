//! Telling the queue what has become of its jobs.
//!
//! # What must hold
//!
//! Every job that was claimed leaves here removed from the roster: settled with its queue, or
//! written down with the reason why that could not be done.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::held::{Held, Roster};
use super::job::Outcome;
use super::pause::Pause;
use super::queue::{Queue, Settled};
use super::{INTAKE, JOB};
use crate::component::BoxError;
use crate::handle::Handle;
use crate::report::panic_text;

/// How a handler has ended: what it returned, or what it panicked with.
pub(super) type Ended = std::thread::Result<Result<Outcome, BoxError>>;

/// Where jobs are settled.
pub(super) struct Desk<Q: Queue> {
    pub(super) name: Arc<str>,
    pub(super) queue: Arc<Q>,
    pub(super) handle: Handle,
    pub(super) roster: Arc<Roster<Q::Lease>>,
    /// One permit for each job whose handler may have ended without its queue having been told.
    pub(super) telling: Semaphore,
}

/// How long a cancelled handler may take to notice before its job is given back all the same; less
/// if there is little time left for that.
pub(super) const NOTICE: Duration = Duration::from_millis(100);

impl<Q: Queue> Desk<Q> {
    /// Settles a job that is not done, for who has claimed it.
    pub(super) async fn not_done(&self, it: &Held<Q::Lease>, ended: Ended) {
        let failed = match ended {
            Ok(Ok(_)) => {
                let leases = [&it.lease];
                let given = self.until_settled("giving back", || self.queue.give_back(&leases));
                self.close(it, "to be given back", given.await.map(|()| Settled::Ours));
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
        tracing::warn!(
            target: "lameduck", worker = &*self.name, job = it.job.id(),
            attempt = it.job.attempt(), error = failed, "job failed"
        );
        let settled = self.until_settled("failing a job", || self.queue.failed(&it.lease, &failed));
        self.close(it, "failed", settled.await);
    }

    /// The lease of a job is no longer ours.
    pub(super) fn lost(&self, it: &Held<Q::Lease>) {
        if it.claim() {
            it.cancel();
            self.close(it, "cancelled", Ok(Settled::NotOurs));
        }
    }

    /// Gives back jobs that have not started.
    pub(super) async fn unstarted(&self, held: Vec<Arc<Held<Q::Lease>>>) {
        let held: Vec<_> = held.into_iter().filter(|it| it.claim()).collect();
        if held.is_empty() {
            return;
        }
        tracing::info!(target: "lameduck", worker = &*self.name, jobs = held.len(), "giving back what has not started");
        let guard = self.handle.track(INTAKE, self.name.to_string());
        let leases: Vec<&Q::Lease> = held.iter().map(|it| &it.lease).collect();
        if let Err(why) = self
            .until_settled("giving back", || self.queue.give_back(&leases))
            .await
        {
            let why = format!("{} jobs not given back: {why}", held.len());
            self.handle.journal().cut(&guard.entry(), &why);
        }
        for it in held {
            self.roster.remove(&it);
        }
    }

    /// Ends the subscription.
    pub(super) async fn unsubscribe(&self) {
        let guard = self.handle.track(INTAKE, self.name.to_string());
        let closed = self.until_settled("unsubscribing", || self.queue.close());
        if let Err(why) = closed.await {
            let why = format!("the subscription was not ended: {why}");
            self.handle.journal().cut(&guard.entry(), &why);
        }
    }

    /// Cancels everything that still runs and gives it back.
    pub(super) async fn let_go(&self) {
        let mut left = self.roster.all();
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
        let leases: Vec<&Q::Lease> = left.iter().map(|it| &it.lease).collect();
        let given = self
            .until_settled("giving back", || self.queue.give_back(&leases))
            .await;
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
            self.roster.remove(it);
        }
    }

    /// Removes a job, and writes down what is to be said about it: how far it had come, and what
    /// its queue makes of it.
    pub(super) fn close(
        &self,
        it: &Held<Q::Lease>,
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
            match it.entry() {
                Some(entry) if self.handle.has_begun() => self.handle.journal().cut(&entry, &why),
                _ => {
                    let (worker, job) = (&*self.name, it.job.id());
                    tracing::warn!(target: "lameduck", worker, job, "{why}");
                }
            }
        }
        self.roster.remove(it);
    }

    /// Repeats `call` until it succeeds, or nothing more can be waited for.
    async fn until_settled<T, F>(&self, what: &str, call: impl Fn() -> F) -> Result<T, String>
    where
        F: Future<Output = Result<T, BoxError>>,
    {
        let mut pause = Pause::new();
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
    pub(super) async fn too_late(&self) {
        self.handle.let_go().await;
        tokio::time::sleep(self.left_to_give_back() * 4 / 5).await;
    }

    fn left_to_give_back(&self) -> Duration {
        self.handle.left_until(self.handle.budget().let_go_until())
    }
}
