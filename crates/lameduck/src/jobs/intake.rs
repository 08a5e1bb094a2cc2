//! Taking jobs from the queue, until the shutdown begins.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::INTAKE;
use super::held::Roster;
use super::job::Job;
use super::pause::Pause;
use super::queue::Queue;
use super::waiting::Feeder;
use crate::component::BoxError;
use crate::handle::Handle;

/// Takes jobs while there is room for them, and hands them on.
pub(super) struct Intake<Q: Queue> {
    pub(super) name: Arc<str>,
    pub(super) queue: Arc<Q>,
    pub(super) handle: Handle,
    pub(super) roster: Arc<Roster<Q::Lease>>,
    /// One permit for each job that may be held.
    pub(super) room: Arc<Semaphore>,
    /// How much of it there is in all.
    pub(super) most: usize,
    /// How much of it must be free to be worth asking the queue.
    pub(super) least: usize,
    pub(super) taken: Feeder<Q::Lease>,
}

impl<Q: Queue> Intake<Q> {
    /// Runs until the shutdown begins. What has been taken by then, and not been started, is the
    /// receiver's to give back.
    pub(super) async fn run(self) {
        let mut pause = Pause::new();
        while !self.handle.has_begun() {
            let Err(error) = self.subscribe_and_take(&mut pause).await else {
                break;
            };
            let pause = pause.after(&self.name, "taking jobs", &error);
            self.unless_begun(tokio::time::sleep(pause)).await;
        }
    }

    /// Takes until the shutdown begins or something goes wrong.
    async fn subscribe_and_take(&self, pause: &mut Pause) -> Result<(), BoxError> {
        let Some(opened) = self.unless_begun(self.queue.open(self.most)).await else {
            return Ok(());
        };
        opened?;
        let mut more = false;
        loop {
            let Some(Ok(room)) = self.unless_begun(self.free()).await else {
                return Ok(());
            };
            if !more {
                match self
                    .unless_begun(self.queue.ready(room.num_permits()))
                    .await
                {
                    Some(ready) => ready?,
                    None => return Ok(()),
                }
            }
            if self.handle.has_begun() {
                return Ok(());
            }
            more = self.take(room).await?;
            pause.over(&self.name, "taking jobs");
        }
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
        let asked = room.num_permits();
        let taken = {
            let mut taking = std::pin::pin!(self.queue.take(asked));
            tokio::select! {
                taken = &mut taking => taken?,
                () = self.handle.begun() => {
                    let _guard = self.handle.track(INTAKE, self.name.to_string());
                    taking.await?
                }
            }
        };
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
            let (name, handle) = (self.name.clone(), self.handle.clone());
            let job = Job::new(name, taken.id, taken.attempt, taken.payload, handle);
            held.push(self.roster.add(job, taken.lease, place));
        }
        self.taken.put(held);
        Ok(filled)
    }

    /// `None` once the shutdown has begun.
    async fn unless_begun<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.handle.begun() => None,
            done = future => Some(done),
        }
    }
}
