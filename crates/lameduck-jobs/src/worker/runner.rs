//! Running handlers, one job after the other.
//!
//! Each runner is a task, so that a handler which blocks its thread can still be given back. It does
//! not wait for the queue: what is done goes to the acknowledger, and it takes the next.
//!
//! # What must hold
//!
//! 1. Nothing that a handler does ends a runner: a panic is caught, wherever it comes from.
//! 2. A handler whose job somebody else has claimed, or whose lease is over, is not polled again.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;

use super::settlement::{Ended, Settlement};
use crate::handler::erased_handler::Handler;
use crate::handler::job::Outcome;
use crate::held::held_jobs::HeldJob;
use crate::held::waiting_jobs::WaitingJobs;
use crate::queue::contract::Queue;
use lameduck_core::BoxError;
use lameduck_core::internal::BoxFuture;

/// Runs handlers.
pub(crate) struct Runner<Q: Queue> {
    pub(crate) handler: Handler,
    pub(crate) waiting: Arc<WaitingJobs<Q::Lease>>,
    pub(crate) settlement: Arc<Settlement<Q>>,
    /// Takes what is done.
    pub(crate) done: mpsc::UnboundedSender<Arc<HeldJob<Q::Lease>>>,
}

impl<Q: Queue> Clone for Runner<Q> {
    fn clone(&self) -> Self {
        Runner {
            handler: self.handler.clone(),
            waiting: self.waiting.clone(),
            settlement: self.settlement.clone(),
            done: self.done.clone(),
        }
    }
}

impl<Q: Queue> Runner<Q> {
    /// Runs until the shutdown begins, or until a job has to be settled in a way that takes time.
    pub(crate) async fn run(self) {
        while let Some(it) = self.waiting.next().await {
            if let Some(ended) = self.run_one(&it).await
                && it.claim()
            {
                // A queue that has gone away stops the worker here.
                let Ok(telling) = self.settlement.telling.acquire().await else {
                    return;
                };
                it.leave_room();
                match ended {
                    Ok(Ok(Outcome::Done)) => {
                        telling.forget();
                        // The acknowledger lives as long as the worker, and so as long as its runners.
                        let _ = self.done.send(it);
                    }
                    not_done => {
                        self.waiting.leave();
                        // Boxed, because all that it may take is large, and most runners never get here.
                        return Box::pin(self.settlement.not_done(&it, not_done)).await;
                    }
                }
            }
            self.waiting.free();
        }
    }

    /// Runs its handler to the end. `None` if somebody else has claimed the job or its lease is over,
    /// which cancels the handler at its next await.
    async fn run_one(&self, it: &HeldJob<Q::Lease>) -> Option<Ended> {
        if !it.start(&self.settlement.handle) {
            self.settlement.lost(it);
            return None;
        }
        let job = it.job.clone();
        let ended = match caught(|| (self.handler)(job.payload().clone(), job)) {
            Ok(running) => to_its_end(running, it).await,
            Err(panic) => Some(Err(panic)),
        };
        it.end();
        if ended.is_none() {
            self.settlement.lost(it);
        }
        ended
    }
}

async fn to_its_end<L>(
    mut running: BoxFuture<Result<Outcome, BoxError>>,
    it: &HeldJob<L>,
) -> Option<Ended> {
    let mut first = true;
    let ended = poll_fn(|cx| {
        // A process that was stopped may get here before the lease renewer does.
        if it.is_claimed() || !std::mem::take(&mut first) && it.clock.is_over() {
            return Poll::Ready(None);
        }
        match caught(|| running.as_mut().poll(cx)) {
            Ok(Poll::Pending) if it.wakes_when_claimed(cx.waker()) => Poll::Pending,
            Ok(Poll::Pending) => Poll::Ready(None),
            Ok(Poll::Ready(ended)) => Poll::Ready(Some(Ok(ended))),
            Err(panic) => Poll::Ready(Some(Err(panic))),
        }
    })
    .await;
    match (ended, caught(|| drop(running))) {
        (Some(_), Err(panic)) => Some(Err(panic)),
        (ended, _) => ended,
    }
}

/// What it returns, or what it panicked with. Nothing is used again that it could have left half done.
fn caught<T>(it: impl FnOnce() -> T) -> std::thread::Result<T> {
    catch_unwind(AssertUnwindSafe(it))
}
