//! The worker's life: take and run until the shutdown begins, then finish, then let go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::acknowledger::Acknowledger;
use super::intake::Intake;
use super::lease_renewer::LeaseRenewer;
use super::runner::Runner;
use super::settlement::{NOTICE, Settlement};
use crate::handler::erased_handler::Handler;
use crate::held::held_jobs::HeldJobs;
use crate::held::reconcile_flag::ReconcileFlag;
use crate::held::waiting_jobs::{Feeder, WaitingJobs};
use crate::queue::contract::Queue;
use lameduck_core::Handle;

/// How many jobs there may be whose handlers have ended and whose queue has not confirmed that, for
/// each that may be held besides. They cost nothing but memory, and a queue that takes its time is
/// told of many at once; but when it is away, taking more must end.
const TELLING: usize = 4;

/// Which part of a lease is left for a handler to end in, before the queue hands its job to another worker.
const MARGIN: u32 = 10;

/// The longest that a queue may take to close what it has opened for itself.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct WorkerLoop<Q> {
    pub(crate) name: Arc<str>,
    pub(crate) queue: Arc<Q>,
    pub(crate) handler: Handler,
    pub(crate) concurrency: usize,
    pub(crate) prefetch: usize,
    pub(crate) handle: Handle,
}

impl<Q: Queue> WorkerLoop<Q> {
    /// Runs until everything that was taken is settled or let go. Dropping it drops every job
    /// where it stands.
    pub(crate) async fn run(self) {
        let held_jobs = Arc::new(HeldJobs::new());
        let most = self.concurrency + self.prefetch;
        let settlement = Arc::new(Settlement {
            name: self.name.clone(),
            queue: self.queue.clone(),
            handle: self.handle.clone(),
            held_jobs: held_jobs.clone(),
            telling: Semaphore::new(TELLING * most),
            reconcile: ReconcileFlag::default(),
            ends_soon: Notify::new(),
        });
        let lease = self.queue.lease();
        let keep_every = self.queue.keep_every().or(lease);
        let lease = lease.map(|lease| lease - lease / MARGIN);
        let lease_renewer = keep_every.map(|every| LeaseRenewer::start(every, settlement.clone()));
        let waiting = Arc::new(WaitingJobs::new(self.handle.clone(), self.concurrency));
        let intake = Intake {
            settlement: settlement.clone(),
            lease,
            keep_every,
            room: Arc::new(Semaphore::new(most)),
            most,
            least: self.prefetch.div_ceil(2).max(1),
            taken: Feeder(waiting.clone()),
        };
        // All of it stops when this is dropped.
        let mut beside = JoinSet::new();
        beside.spawn(intake.run());
        let (done, ended) = mpsc::unbounded_channel();
        beside.spawn(Acknowledger::new(settlement.clone()).run(ended));
        let runner = Runner {
            handler: self.handler.clone(),
            waiting: waiting.clone(),
            settlement: settlement.clone(),
            done,
        };
        let start_runners = async {
            loop {
                for _ in 0..waiting.runners_wanted().await {
                    beside.spawn(runner.clone().run());
                }
                // Those that have left are not kept.
                while beside.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            biased;
            () = self.handle.until_shutdown() => {}
            () = start_runners => {}
        }

        let settled = async {
            let unstarted = async {
                // First, or a queue that pushes would push at us what we give back.
                settlement.unsubscribe().await;
                // What is here goes back at once, what is being taken right now as soon as it
                // comes. Ends when the intake has.
                while let Some(rest) = waiting.rest().await {
                    settlement.unstarted(rest).await;
                }
                // And what nobody here has heard of, now that nothing more comes.
                settlement.give_back_unknown_at_the_end().await;
            };
            // Not the end of the running tasks: what is let go is still to be given back after its
            // task has ended, and the task of one that ignores it never ends.
            unstarted.await;
            loop {
                tokio::select! {
                    biased;
                    () = settlement.held_jobs.empty() => return,
                    () = settlement.reconcile.until_raised() => settlement.give_back_unknown_at_the_end().await,
                }
            }
        };
        let let_go = async {
            self.handle.until_drain_deadline().await;
            settlement.let_go().await;
        };
        tokio::pin!(settled);
        tokio::select! {
            () = &mut settled => {}
            () = let_go => settled.await,
        }
        if settlement.reconcile.take() {
            settlement.give_back_unknown_at_the_end().await;
        }
        if let Some(lease_renewer) = lease_renewer {
            lease_renewer.end(settlement.too_late()).await;
        }
        // Whoever is told that we have ended may close what the queue uses: nobody here has it then, but
        // for a handler that ignores its cancellation.
        waiting.dismiss();
        drop(runner);
        let gone = async { while beside.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(NOTICE, gone).await;
        let _ = tokio::time::timeout(GOODBYE, self.queue.end()).await;
    }
}
