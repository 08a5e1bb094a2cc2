//! A queue in memory, which does as it is told.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use lameduck_core::BoxError;

use crate::{Lost, Queue, Settled, Taken};

/// What the queue has been told, and what it is to answer.
#[derive(Clone, Default)]
pub(super) struct MemoryQueue {
    pub(super) inner: Arc<MemoryQueueState>,
}

#[derive(Default)]
pub(super) struct MemoryQueueState {
    pub(super) waiting: Mutex<VecDeque<usize>>,
    /// Which attempt each job is at, if not the first, and whose it is.
    attempts: Mutex<HashMap<usize, u32>>,
    ours: Mutex<BTreeSet<usize>>,
    /// How many times `take` hands jobs out and the answer is lost.
    pub(super) lost_takes: AtomicUsize,
    /// How many times `failed` is noted and the answer is lost.
    pub(super) lost_failures: AtomicUsize,
    /// `keep` fails while this is set.
    pub(super) deaf: Mutex<bool>,
    /// How long ago the lease of what is taken was renewed.
    pub(super) lease_age: Mutex<Duration>,
    pub(super) log: Mutex<Vec<(QueueTold, usize, Duration)>>,
    pub(super) arrived: Notify,
    pub(super) begun: Mutex<Option<Instant>>,
    pub(super) most_held: AtomicUsize,
    pub(super) held: AtomicUsize,
    pub(super) settled: AtomicUsize,
    /// How long `take` takes after it has taken the jobs off the queue.
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
pub(super) enum QueueTold {
    Taken,
    Done,
    Failed,
    Back,
    Kept,
    /// `keep` has answered, about so many jobs.
    KeepAnswered,
    Closed,
    /// Given back although nobody knew of it.
    Unknown,
    Ended,
}

/// An attempt at a job.
#[derive(Debug)]
pub(super) struct QueuedAttempt {
    job: usize,
    attempt: u32,
}

impl MemoryQueue {
    pub(super) fn with(jobs: usize) -> MemoryQueue {
        let memory_queue = MemoryQueue::default();
        memory_queue.inner.waiting.lock().unwrap().extend(0..jobs);
        *memory_queue.inner.begun.lock().unwrap() = Some(Instant::now());
        memory_queue
    }

    /// One more job.
    pub(super) fn add(&self, job: usize) {
        self.inner.waiting.lock().unwrap().push_back(job);
        self.inner.arrived.notify_one();
    }

    /// The queue believes that we have it.
    pub(super) fn claim_for_us(&self, job: usize) {
        self.inner.ours.lock().unwrap().insert(job);
    }

    /// The queue has forgotten that we have it.
    pub(super) fn hand_out_again(&self, job: usize) {
        self.inner.ours.lock().unwrap().remove(&job);
        self.again(job);
    }

    /// How many are done, failed, or back.
    pub(super) fn settled(&self) -> usize {
        self.inner.settled.load(Ordering::Relaxed)
    }

    fn tell(&self, what: QueueTold, job: usize) {
        let since = self.inner.begun.lock().unwrap().unwrap().elapsed();
        self.inner.log.lock().unwrap().push((what, job, since));
    }

    pub(super) fn told(&self, what: QueueTold) -> Vec<usize> {
        let log = self.inner.log.lock().unwrap();
        let mut jobs: Vec<usize> = log.iter().filter(|l| l.0 == what).map(|l| l.1).collect();
        jobs.sort_unstable();
        jobs
    }

    pub(super) fn times(&self, what: QueueTold) -> Vec<Duration> {
        let log = self.inner.log.lock().unwrap();
        log.iter().filter(|l| l.0 == what).map(|l| l.2).collect()
    }

    fn settle(&self, what: QueueTold, it: &QueuedAttempt) -> Result<Settled, BoxError> {
        if *self.inner.away.lock().unwrap() {
            return Err("the queue is away".into());
        }
        let job = it.job;
        self.tell(what, job);
        if self.attempt(job) != it.attempt || !self.inner.ours.lock().unwrap().remove(&job) {
            return Ok(Settled::NotOurs);
        }
        self.inner.held.fetch_sub(1, Ordering::Relaxed);
        self.inner.settled.fetch_add(1, Ordering::Relaxed);
        Ok(Settled::Ours)
    }

    fn attempt(&self, job: usize) -> u32 {
        let attempts = self.inner.attempts.lock().unwrap();
        attempts.get(&job).copied().unwrap_or(1)
    }

    /// It is to be had again.
    fn again(&self, job: usize) {
        let next = self.attempt(job) + 1;
        self.inner.attempts.lock().unwrap().insert(job, next);
        self.add(job);
    }
}

impl Queue for MemoryQueue {
    type Lease = QueuedAttempt;

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        loop {
            let arrived = self.inner.arrived.notified();
            if !self.inner.waiting.lock().unwrap().is_empty() {
                return Ok(());
            }
            arrived.await;
        }
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<QueuedAttempt>>, BoxError> {
        let taken: Vec<usize> = {
            let mut waiting = self.inner.waiting.lock().unwrap();
            let n = most.min(waiting.len());
            waiting.drain(..n).collect()
        };
        self.inner.ours.lock().unwrap().extend(&taken);
        let slow = *self.inner.slow_take.lock().unwrap();
        sleep(slow).await;
        if once(&self.inner.lost_takes) {
            return Err("the answer is lost".into());
        }
        let held = self.inner.held.fetch_add(taken.len(), Ordering::Relaxed) + taken.len();
        self.inner.most_held.fetch_max(held, Ordering::Relaxed);
        for job in &taken {
            self.tell(QueueTold::Taken, *job);
        }
        let lease_age = *self.inner.lease_age.lock().unwrap();
        let taken = taken.into_iter().map(|job| Taken {
            id: job.to_string(),
            attempt: self.attempt(job),
            payload: Bytes::from(job.to_string()),
            lease: QueuedAttempt {
                job,
                attempt: self.attempt(job),
            },
            lease_age,
        });
        Ok(taken.collect())
    }

    async fn close(&self) -> Result<(), BoxError> {
        self.tell(QueueTold::Closed, 0);
        Ok(())
    }

    async fn done(&self, jobs: &[&QueuedAttempt]) -> Vec<Result<Settled, BoxError>> {
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
        let settled = |it: &&QueuedAttempt| match refused.contains(&it.job) {
            true => Err("not this one".into()),
            false => self.settle(QueueTold::Done, it),
        };
        jobs.iter().map(settled).collect()
    }

    async fn failed(&self, it: &QueuedAttempt, _why: &str) -> Result<Settled, BoxError> {
        let slow = *self.inner.slow_settle.lock().unwrap();
        sleep(slow).await;
        let settled = self.settle(QueueTold::Failed, it)?;
        if once(&self.inner.lost_failures) {
            self.again(it.job);
            return Err("the answer is lost".into());
        }
        Ok(settled)
    }

    async fn give_back(&self, jobs: &[&QueuedAttempt]) -> Result<(), BoxError> {
        sleep(Duration::from_millis(10)).await;
        jobs.iter()
            .try_for_each(|it| self.settle(QueueTold::Back, it).map(drop))
    }

    fn lease(&self) -> Option<Duration> {
        Some(Duration::from_secs(3))
    }

    async fn keep(&self, jobs: &[&QueuedAttempt]) -> Result<Lost, BoxError> {
        if *self.inner.deaf.lock().unwrap() {
            return Err("the queue is deaf".into());
        }
        for it in jobs {
            self.tell(QueueTold::Kept, it.job);
        }
        let slow = *self.inner.slow_keep.lock().unwrap();
        sleep(slow).await;
        self.tell(QueueTold::KeepAnswered, jobs.len());
        let lost = self.inner.lost.lock().unwrap();
        let theirs = |job: &usize| !lost.contains(job);
        self.inner.ours.lock().unwrap().retain(theirs);
        let lost = jobs
            .iter()
            .enumerate()
            .filter(|(_, it)| lost.contains(&it.job));
        Ok(Lost(lost.map(|(at, _)| at).collect()))
    }

    fn same_job(&self, one: &QueuedAttempt, other: &QueuedAttempt) -> bool {
        one.job == other.job
    }

    async fn give_back_unknown(&self, known: &[&QueuedAttempt]) -> Result<usize, BoxError> {
        let unknown: Vec<usize> = {
            let ours = self.inner.ours.lock().unwrap();
            let known = |job| known.iter().any(|it| it.job == job);
            ours.iter().copied().filter(|job| !known(*job)).collect()
        };
        for job in &unknown {
            self.inner.ours.lock().unwrap().remove(job);
            self.tell(QueueTold::Unknown, *job);
            self.again(*job);
        }
        Ok(unknown.len())
    }

    async fn end(&self) {
        self.tell(QueueTold::Ended, 0);
    }
}

/// Whether it is one of so many times.
fn once(times: &AtomicUsize) -> bool {
    let fewer = |n: usize| n.checked_sub(1);
    times
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
        .is_ok()
}
