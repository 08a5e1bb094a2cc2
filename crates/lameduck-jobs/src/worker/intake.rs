//! Taking jobs from the queue, until the shutdown begins; and giving back what the queue has handed out
//! without our ever hearing of it.
//!
//! # What must hold
//!
//! 1. What the queue hands out is among the held jobs, or the answer was lost and they are to be reconciled.
//! 2. While jobs are taken nobody gives back what is not among the held jobs: it may be on its way. So this
//!    task does both, and others only after it has ended.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::settlement::Settlement;
use crate::handler::job::Job;
use crate::held::lease_clock::{LeaseClock, LeaseInstant};
use crate::held::waiting_jobs::Feeder;
use crate::queue::backoff::QueueBackoff;
use crate::queue::contract::Queue;
use lameduck_core::BoxError;
use lameduck_core::inflight::kind::INTAKE;

/// How often what the queue believes to be ours is compared with what is: each so many leases. Where there
/// is a reason it is at once, so this is for what nobody has thought of, and in a large table it takes time.
const LOOK: u32 = 4;

/// Takes jobs while there is room for them, and hands them on.
pub(crate) struct Intake<Q: Queue> {
    pub(crate) settlement: Arc<Settlement<Q>>,
    /// How long what is taken stays ours, and how often that is renewed.
    pub(crate) lease: Option<Duration>,
    pub(crate) keep_every: Option<Duration>,
    /// One permit for each job that may be held.
    pub(crate) room: Arc<Semaphore>,
    /// How much of it there is in all.
    pub(crate) most: usize,
    /// How much of it must be free to be worth asking the queue.
    pub(crate) least: usize,
    pub(crate) taken: Feeder<Q::Lease>,
}

impl<Q: Queue> Intake<Q> {
    /// Runs until the shutdown begins. What has been taken by then, and not been started, is the
    /// receiver's to give back.
    pub(crate) async fn run(self) {
        let mut pause = QueueBackoff::new();
        while !self.settlement.handle.is_shutting_down() {
            let Err(error) = self.subscribe_and_take(&mut pause).await else {
                break;
            };
            // It may have handed out jobs all the same.
            self.settlement.reconcile.raise();
            let pause = pause.after(&self.settlement.name, "taking jobs", &error);
            self.unless_begun(tokio::time::sleep(pause)).await;
        }
    }

    /// Takes until the shutdown begins or something goes wrong.
    async fn subscribe_and_take(&self, pause: &mut QueueBackoff) -> Result<(), BoxError> {
        let Some(opened) = self
            .unless_begun(self.settlement.queue.open(self.most))
            .await
        else {
            return Ok(());
        };
        opened?;
        let mut more = false;
        let mut look = self.next_look();
        loop {
            let free = pin!(self.free());
            let Some(Ok(room)) = self.looking_for_unknown(free, &mut look).await? else {
                return Ok(());
            };
            if !more {
                let ready = pin!(self.settlement.queue.ready(room.num_permits()));
                match self.looking_for_unknown(ready, &mut look).await? {
                    Some(ready) => ready?,
                    None => return Ok(()),
                }
            }
            if self.settlement.handle.is_shutting_down() {
                return Ok(());
            }
            more = self.take(room).await?;
            pause.over(&self.settlement.name, "taking jobs");
        }
    }

    /// Waits for `future`, and meanwhile gives back what nobody here knows of, from time to time and
    /// where there is reason to. `None` once the shutdown has begun.
    async fn looking_for_unknown<T>(
        &self,
        mut future: std::pin::Pin<&mut impl Future<Output = T>>,
        look: &mut Instant,
    ) -> Result<Option<T>, BoxError> {
        loop {
            tokio::select! {
                biased;
                () = self.settlement.handle.until_shutdown() => return Ok(None),
                () = self.settlement.reconcile.until_raised() => {}
                () = sleep_until(*look), if self.lease.is_some() => {}
                done = &mut future => return Ok(Some(done)),
            }
            self.settlement.reconcile.take();
            // Not broken off by a shutdown: a database session in the middle of a query cannot say goodbye.
            self.answer(self.settlement.give_back_unknown()).await?;
            *look = self.next_look();
        }
    }

    fn next_look(&self) -> Instant {
        Instant::now() + self.lease.unwrap_or_default() * LOOK
    }

    /// All the room that there is, once it is worth it.
    async fn free(&self) -> Result<OwnedSemaphorePermit, tokio::sync::AcquireError> {
        let room = self.room.clone();
        let mut free = room.acquire_many_owned(self.least as u32).await?;
        // Jobs that take no time end meanwhile: the queue is asked once for the room of all of them.
        tokio::task::yield_now().await;
        let rest = self.room.available_permits();
        if let Ok(rest) = self.room.clone().try_acquire_many_owned(rest as u32) {
            free.merge(rest);
        }
        Ok(free)
    }

    /// Fills `room`; says whether there is likely more. Once asked, the queue is let finish its
    /// answer, since it may have handed out the jobs already.
    async fn take(&self, mut room: OwnedSemaphorePermit) -> Result<bool, BoxError> {
        let settlement = &*self.settlement;
        let asked = room.num_permits();
        let begun = LeaseInstant::now();
        let taken = {
            let mut taking = pin!(self.answer(settlement.queue.take(asked)));
            tokio::select! {
                taken = &mut taking => taken?,
                () = settlement.handle.until_shutdown() => {
                    let _guard = settlement.handle.track(INTAKE, settlement.name.to_string());
                    taking.await?
                }
            }
        };
        let now = LeaseInstant::now();
        let filled = taken.len() >= asked;
        let mut held = Vec::with_capacity(taken.len());
        for taken in taken {
            // A queue that hands out more than it was asked for is not punished with the loss of it.
            let place = match room.split(1) {
                Some(place) => place,
                None => {
                    // Room for it is made by those before it.
                    self.taken.put(std::mem::take(&mut held));
                    match self.room.clone().acquire_owned().await {
                        Ok(place) => place,
                        Err(_) => break,
                    }
                }
            };
            let begun = match taken.lease_age {
                Duration::ZERO => begun,
                age => now.before(age.max(now.since(begun))),
            };
            let clock = LeaseClock::new(self.lease, begun);
            if clock.left(now) < self.keep_every {
                settlement.ends_soon.notify_one();
            }
            let (name, handle) = (settlement.name.clone(), settlement.handle.clone());
            let job = Job::new(name, taken.id, taken.attempt, taken.payload, handle);
            let it = settlement.held_jobs.add(job, taken.lease, clock, place);
            if taken.attempt > 1 {
                settlement.supersede_earlier(&it);
            }
            held.push(it);
        }
        self.taken.put(held);
        Ok(filled)
    }

    /// What it answers, if that does not take so long that it is worth nothing any more.
    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, BoxError>>,
    ) -> Result<T, BoxError> {
        let Some(lease) = self.lease else {
            return answer.await;
        };
        match timeout(lease, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {lease:?}, the time of a lease").into()),
        }
    }

    /// `None` once the shutdown has begun.
    async fn unless_begun<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.settlement.handle.until_shutdown() => None,
            done = future => Some(done),
        }
    }
}
