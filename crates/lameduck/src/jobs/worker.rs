//! The worker's life: take and run until the shutdown begins, then finish, then let go.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::handler::Handler;
use super::held::{Held, Roster};
use super::intake::Intake;
use super::keeper::Keeper;
use super::queue::Queue;
use super::settle::Desk;
use crate::handle::Handle;

pub(super) struct Worker<Q> {
    pub(super) name: Arc<str>,
    pub(super) queue: Arc<Q>,
    pub(super) handler: Handler,
    pub(super) concurrency: usize,
    pub(super) prefetch: usize,
    pub(super) handle: Handle,
}

impl<Q: Queue> Worker<Q> {
    /// Runs until everything that was taken is settled or let go. Dropping it drops every job
    /// where it stands.
    pub(super) async fn run(self) {
        let roster = Arc::new(Roster::new());
        let desk = Arc::new(Desk {
            name: self.name.clone(),
            queue: self.queue.clone(),
            handle: self.handle.clone(),
            roster: roster.clone(),
        });
        let keeper = self.queue.keep_every();
        let keeper = keeper.map(|every| Keeper::start(every, desk.clone(), roster.clone()));
        let (sender, mut taken) = mpsc::unbounded_channel();
        let most = self.concurrency + self.prefetch;
        let intake = Intake {
            name: self.name.clone(),
            queue: self.queue.clone(),
            handle: self.handle.clone(),
            roster,
            room: Arc::new(Semaphore::new(most)),
            most,
            least: self.prefetch.div_ceil(2).max(1),
            taken: sender,
        };
        let mut beside = JoinSet::new();
        beside.spawn(intake.run());

        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = self.handle.begun() => break,
                Some(_) = running.join_next() => {}
                Some(it) = taken.recv(), if running.len() < self.concurrency => {
                    running.spawn(run(self.handler.clone(), desk.clone(), it));
                }
            }
        }

        let settled = async {
            let unstarted = async {
                // First, or a queue that pushes would push at us what we give back.
                desk.unsubscribe().await;
                let mut unstarted = Vec::new();
                // What is here goes back at once, what is being taken right now as soon as it
                // comes. Ends when the intake has.
                while taken.recv_many(&mut unstarted, most).await > 0 {
                    desk.unstarted(std::mem::take(&mut unstarted)).await;
                }
            };
            // Not the end of the running tasks: what is let go is still to be given back after its
            // task has ended, and the task of one that ignores it never ends.
            tokio::join!(unstarted, desk.roster.empty());
        };
        let let_go = async {
            self.handle.let_go().await;
            desk.let_go().await;
        };
        tokio::pin!(settled);
        tokio::select! {
            () = &mut settled => {}
            () = let_go => settled.await,
        }
        if let Some(keeper) = keeper {
            keeper.end(desk.too_late()).await;
        }
    }
}

/// Runs one job and settles it.
async fn run<Q: Queue>(handler: Handler, desk: Arc<Desk<Q>>, it: Arc<Held<Q::Lease>>) {
    it.begin(&desk.handle);
    let job = it.job.clone();
    // A task of its own, so that one that blocks its thread can still be given back.
    let work = tokio::spawn(async move { handler(job.payload().clone(), job).await });
    it.runs(work.abort_handle());
    let _abandoned = AbortOnDrop(work.abort_handle());
    let ended = work.await;
    it.ended();
    desk.ended(&it, ended).await;
}

/// Cancels a handler whose worker is dropped.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
