//! A queue in memory, which does as it is told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::component::BoxError;
use crate::jobs::{Lost, Queue, Settled, Taken};

/// What the queue has been told, and what it is to answer.
#[derive(Clone, Default)]
pub(super) struct Shelf {
    pub(super) inner: Arc<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    pub(super) waiting: Mutex<VecDeque<usize>>,
    pub(super) log: Mutex<Vec<(Told, usize, Duration)>>,
    pub(super) arrived: Notify,
    pub(super) begun: Mutex<Option<Instant>>,
    pub(super) most_held: AtomicUsize,
    pub(super) held: AtomicUsize,
    pub(super) settled: AtomicUsize,
    /// How long `take` takes after it has taken the jobs off the shelf.
    pub(super) slow_take: Mutex<Duration>,
    /// How long `keep` takes to answer.
    pub(super) slow_keep: Mutex<Duration>,
    /// The jobs whose leases another worker has taken.
    pub(super) lost: Mutex<Vec<usize>>,
    /// Settling fails while this is set.
    pub(super) away: Mutex<bool>,
    /// The jobs that it does not want to hear are done.
    pub(super) refused: Mutex<Vec<usize>>,
    /// How long `done` takes, and `failed`.
    pub(super) slow_settle: Mutex<Duration>,
    /// How many times `done` is to answer nothing.
    pub(super) mute: Mutex<usize>,
    /// Of how many jobs each `done` has told.
    pub(super) told_at_once: Mutex<Vec<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Taken,
    Done,
    Failed,
    Back,
    Kept,
    /// `keep` has answered, about so many jobs.
    KeepAnswered,
    Closed,
}

impl Shelf {
    pub(super) fn with(jobs: usize) -> Shelf {
        let shelf = Shelf::default();
        shelf.inner.waiting.lock().unwrap().extend(0..jobs);
        *shelf.inner.begun.lock().unwrap() = Some(Instant::now());
        shelf
    }

    /// One more job.
    pub(super) fn add(&self, job: usize) {
        self.inner.waiting.lock().unwrap().push_back(job);
        self.inner.arrived.notify_one();
    }

    /// How many are done, failed, or back.
    pub(super) fn settled(&self) -> usize {
        self.inner.settled.load(Ordering::Relaxed)
    }

    fn tell(&self, what: Told, job: usize) {
        let since = self.inner.begun.lock().unwrap().unwrap().elapsed();
        self.inner.log.lock().unwrap().push((what, job, since));
    }

    pub(super) fn told(&self, what: Told) -> Vec<usize> {
        let log = self.inner.log.lock().unwrap();
        let mut jobs: Vec<usize> = log.iter().filter(|l| l.0 == what).map(|l| l.1).collect();
        jobs.sort_unstable();
        jobs
    }

    pub(super) fn times(&self, what: Told) -> Vec<Duration> {
        let log = self.inner.log.lock().unwrap();
        log.iter().filter(|l| l.0 == what).map(|l| l.2).collect()
    }

    fn settle(&self, what: Told, job: usize) -> Result<(), BoxError> {
        if *self.inner.away.lock().unwrap() {
            return Err("the queue is away".into());
        }
        self.inner.held.fetch_sub(1, Ordering::Relaxed);
        self.inner.settled.fetch_add(1, Ordering::Relaxed);
        self.tell(what, job);
        Ok(())
    }
}

impl Queue for Shelf {
    type Lease = usize;

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        loop {
            let arrived = self.inner.arrived.notified();
            if !self.inner.waiting.lock().unwrap().is_empty() {
                return Ok(());
            }
            arrived.await;
        }
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<usize>>, BoxError> {
        let taken: Vec<usize> = {
            let mut waiting = self.inner.waiting.lock().unwrap();
            let n = most.min(waiting.len());
            waiting.drain(..n).collect()
        };
        let slow = *self.inner.slow_take.lock().unwrap();
        sleep(slow).await;
        let held = self.inner.held.fetch_add(taken.len(), Ordering::Relaxed) + taken.len();
        self.inner.most_held.fetch_max(held, Ordering::Relaxed);
        for job in &taken {
            self.tell(Told::Taken, *job);
        }
        let taken = taken.into_iter().map(|job| Taken {
            id: job.to_string(),
            attempt: 1,
            payload: Bytes::from(job.to_string()),
            lease: job,
        });
        Ok(taken.collect())
    }

    async fn close(&self) -> Result<(), BoxError> {
        self.tell(Told::Closed, 0);
        Ok(())
    }

    async fn done(&self, jobs: &[&usize]) -> Vec<Result<Settled, BoxError>> {
        self.inner.told_at_once.lock().unwrap().push(jobs.len());
        let slow = *self.inner.slow_settle.lock().unwrap();
        sleep(slow).await;
        {
            let mut mute = self.inner.mute.lock().unwrap();
            if *mute > 0 {
                *mute -= 1;
                return Vec::new();
            }
        }
        let refused = self.inner.refused.lock().unwrap().clone();
        let settled = |job: &&usize| match refused.contains(job) {
            true => Err("not this one".into()),
            false => self.settle(Told::Done, **job).map(|()| Settled::Ours),
        };
        jobs.iter().map(settled).collect()
    }

    async fn failed(&self, job: &usize, _why: &str) -> Result<Settled, BoxError> {
        let slow = *self.inner.slow_settle.lock().unwrap();
        sleep(slow).await;
        self.settle(Told::Failed, *job).map(|()| Settled::Ours)
    }

    async fn give_back(&self, jobs: &[&usize]) -> Result<(), BoxError> {
        sleep(Duration::from_millis(10)).await;
        jobs.iter()
            .try_for_each(|job| self.settle(Told::Back, **job))
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    async fn keep(&self, jobs: &[&usize]) -> Result<Lost, BoxError> {
        for job in jobs {
            self.tell(Told::Kept, **job);
        }
        let slow = *self.inner.slow_keep.lock().unwrap();
        sleep(slow).await;
        self.tell(Told::KeepAnswered, jobs.len());
        let lost = self.inner.lost.lock().unwrap();
        let lost = jobs
            .iter()
            .enumerate()
            .filter(|(_, job)| lost.contains(job));
        Ok(Lost(lost.map(|(at, _)| at).collect()))
    }
}
