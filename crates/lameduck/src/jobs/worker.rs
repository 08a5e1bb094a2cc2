//! The worker's life: take and run until the shutdown begins, then finish, then let go.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::handler::Handler;
use super::held::{Roster, Started};
use super::intake::Intake;
use super::keeper::Keeper;
use super::queue::Queue;
use super::settle::Desk;
use crate::handle::Handle;

/// How many jobs there may be whose handlers have ended and whose queue has not confirmed that, for
/// each that may be held besides. They cost nothing but memory, and a queue that takes its time is
/// told of many at once; but when it is away, taking more must end.
const TELLING: usize = 4;

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
        let most = self.concurrency + self.prefetch;
        let desk = Arc::new(Desk {
            name: self.name.clone(),
            queue: self.queue.clone(),
            handle: self.handle.clone(),
            roster: roster.clone(),
            telling: Semaphore::new(TELLING * most),
        });
        let keeper = self.queue.keep_every();
        let keeper = keeper.map(|every| Keeper::start(every, desk.clone(), roster.clone()));
        let (sender, mut taken) = mpsc::unbounded_channel();
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

        let _dropped_with_us = CancelAll(desk.roster.clone());
        let slots = Arc::new(Semaphore::new(self.concurrency));
        let start_all = async {
            // Looked at for each, since many may be started before the `select` looks again.
            while !self.handle.has_begun()
                && let Ok(slot) = slots.clone().acquire_owned().await
                && let Some(it) = taken.recv().await
            {
                let handler = self.handler.clone();
                it.start(|it| tokio::spawn(run(handler, desk.clone(), it, slot)).abort_handle());
            }
            // The shutdown has begun, or is about to: the intake has ended.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = self.handle.begun() => {}
            () = start_all => {}
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

/// Cancels every job that is held, when dropped.
struct CancelAll<L>(Arc<Roster<L>>);

impl<L> Drop for CancelAll<L> {
    fn drop(&mut self) {
        for it in self.0.all() {
            it.cancel();
        }
    }
}

/// Runs one job and settles it: a task of its own, so that one that blocks its thread can still be
/// given back.
async fn run<Q: Queue>(
    handler: Handler,
    desk: Arc<Desk<Q>>,
    started: Started<Q::Lease>,
    slot: OwnedSemaphorePermit,
) {
    let it = started.held();
    it.begin(&desk.handle);
    let job = it.job.clone();
    let ended = unless_it_panics(async move { handler(job.payload().clone(), job).await }).await;
    drop(started);
    let _telling = desk.telling.acquire().await;
    drop(slot);
    it.leave_room();
    // Boxed, because all that an end may take is large, and this future is moved before it gets there.
    Box::pin(desk.ended(&it, ended)).await;
}

/// The handler's own end, or what it panicked with.
async fn unless_it_panics<T>(handler: impl Future<Output = T>) -> std::thread::Result<T> {
    let mut handler = pin!(handler);
    poll_fn(|cx| {
        // After a panic it is not polled again.
        match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}
