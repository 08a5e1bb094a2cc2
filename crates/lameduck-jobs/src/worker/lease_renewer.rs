//! Renewing the leases of everything held, from the first job taken to the last one settled, and giving
//! up what could not be renewed in time.
//!
//! # What must hold
//!
//! 1. What the queue is asked is not broken off: a database session in the middle of a query cannot say
//!    goodbye. So the lease_renewer is asked to end and waited for, as long as there is time for that.
//! 2. A lease ends on time by our own clock (`lease_clock.rs`), also while the queue does not answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::settlement::Settlement;
use crate::held::held_jobs::HeldJob;
use crate::held::lease_clock::LeaseInstant;
use crate::queue::backoff::QueueBackoff;
use crate::queue::contract::{Lost, Queue};
use lameduck_core::BoxError;
use lameduck_core::internal::BoxFuture;

/// The longest that a queue which no longer answers holds up the end of its worker.
const ANSWER: Duration = Duration::from_secs(1);

/// What is logged about it.
const WHAT: &str = "keeping leases";

/// One at work. Dropped, it is broken off.
pub(crate) struct LeaseRenewer {
    running: JoinHandle<()>,
    end: Arc<Notify>,
}

impl LeaseRenewer {
    /// Renews all leases every so often.
    pub(crate) fn start<Q: Queue>(every: Duration, settlement: Arc<Settlement<Q>>) -> LeaseRenewer {
        let end = Arc::new(Notify::new());
        LeaseRenewer {
            running: tokio::spawn(run(every, settlement, end.clone())),
            end,
        }
    }

    /// Ends it once its queue has answered what it was asked last.
    pub(crate) async fn end(mut self, too_late: impl Future<Output = ()>) {
        self.end.notify_one();
        tokio::select! {
            _ = tokio::time::timeout(ANSWER, &mut self.running) => {}
            () = too_late => {}
        }
    }
}

impl Drop for LeaseRenewer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn run<Q: Queue>(every: Duration, settlement: Arc<Settlement<Q>>, end: Arc<Notify>) {
    let every = every.max(Duration::from_millis(1));
    let mut pause = QueueBackoff::new();
    // Not at once: there is nothing to keep yet, and the queue may not know the worker before it is
    // open.
    let mut next = Instant::now() + every;
    let mut asking: Option<BoxFuture<RenewalAnswer<Q::Lease>>> = None;
    let mut ending = false;
    while !ending || asking.is_some() {
        settlement.lose_what_is_over();
        // None ends before this unless it was taken after this; and then not before the next round.
        let next_end = settlement
            .held_jobs
            .next_end(LeaseInstant::now())
            .unwrap_or(every);
        tokio::select! {
            () = end.notified() => ending = true,
            () = sleep(next_end.min(every)) => {}
            () = settlement.ends_soon.notified() => {}
            () = sleep_until(next), if asking.is_none() => {
                next = Instant::now() + every;
                asking = Some(Box::pin(ask(settlement.clone())));
            }
            answer = until_answered(&mut asking) => {
                asking = None;
                match answer.lost {
                    Ok(lost) => {
                        pause.over(&settlement.name, WHAT);
                        note(&settlement, &answer.held, answer.asked, &lost);
                    }
                    Err(error) => {
                        let pause = pause.after(&settlement.name, WHAT, &error);
                        next = Instant::now() + pause.min(every);
                    }
                }
            }
        }
    }
}

/// What the queue has said about the leases of jobs that it was asked about.
struct RenewalAnswer<L> {
    held: Vec<Arc<HeldJob<L>>>,
    asked: LeaseInstant,
    lost: Result<Lost, BoxError>,
}

/// Asks about everything that is still ours.
async fn ask<Q: Queue>(settlement: Arc<Settlement<Q>>) -> RenewalAnswer<Q::Lease> {
    let mut held = settlement.held_jobs.all();
    held.retain(|it| it.is_ours());
    let asked = LeaseInstant::now();
    let lost = {
        let leases: Vec<&Q::Lease> = held.iter().map(|it| &it.lease).collect();
        settlement.queue.keep(&leases).await
    };
    RenewalAnswer { held, asked, lost }
}

/// Cancel safe; never completes if nothing is asked.
async fn until_answered<L>(asking: &mut Option<BoxFuture<RenewalAnswer<L>>>) -> RenewalAnswer<L> {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

fn note<Q: Queue>(
    settlement: &Settlement<Q>,
    held: &[Arc<HeldJob<Q::Lease>>],
    asked: LeaseInstant,
    lost: &Lost,
) {
    let now = LeaseInstant::now();
    for (position, it) in held.iter().enumerate() {
        match lost.0.contains(&position) {
            true => settlement.lost(it),
            false => it.clock.renewed(asked, now),
        }
    }
}
