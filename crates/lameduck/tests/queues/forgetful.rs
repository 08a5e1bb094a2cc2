//! A queue whose answers get lost on their way.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lameduck::{BoxError, Lost, Queue, Settled, Taken};
use tokio::sync::Notify;

/// Which answers are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forgets {
    /// The first one that hands something out.
    FirstTake,
    /// Each one that hands something out.
    EveryTake,
    /// The first one about each attempt that has ended.
    EachSettlementOnce,
}

pub struct Forgetful<Q> {
    queue: Q,
    forgets: Forgets,
    forgotten: Arc<Notify>,
    once: AtomicBool,
    /// The attempts, by where their leases are.
    told: Mutex<HashSet<usize>>,
}

pub fn forgetful<Q: Queue>(queue: Q, forgets: Forgets) -> Forgetful<Q> {
    Forgetful {
        queue,
        forgets,
        forgotten: Arc::default(),
        once: AtomicBool::new(false),
        told: Mutex::default(),
    }
}

impl<Q: Queue> Forgetful<Q> {
    /// Is notified of each answer to a fetch that is lost.
    pub fn forgotten(&self) -> Arc<Notify> {
        self.forgotten.clone()
    }

    /// Whether this is the first that is heard of an attempt.
    fn is_first(&self, lease: &Q::Lease) -> bool {
        let place = std::ptr::from_ref(lease) as usize;
        let first = self.told.lock().expect("nobody panics").insert(place);
        first && self.forgets == Forgets::EachSettlementOnce
    }
}

fn lost<T>() -> Result<T, BoxError> {
    Err("the answer is lost".into())
}

impl<Q: Queue> Queue for Forgetful<Q> {
    type Lease = Q::Lease;

    async fn open(&self, most: usize) -> Result<(), BoxError> {
        self.queue.open(most).await
    }

    async fn ready(&self, most: usize) -> Result<(), BoxError> {
        self.queue.ready(most).await
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<Q::Lease>>, BoxError> {
        let taken = self.queue.take(most).await?;
        let loses = match self.forgets {
            Forgets::FirstTake => !taken.is_empty() && !self.once.swap(true, Ordering::Relaxed),
            Forgets::EveryTake => !taken.is_empty(),
            Forgets::EachSettlementOnce => false,
        };
        if loses {
            self.forgotten.notify_one();
            return lost();
        }
        Ok(taken)
    }

    async fn close(&self) -> Result<(), BoxError> {
        self.queue.close().await
    }

    async fn done(&self, leases: &[&Q::Lease]) -> Vec<Result<Settled, BoxError>> {
        let answers = self.queue.done(leases).await;
        let answers = answers.into_iter().zip(leases);
        let arrive = |(answer, lease): (_, &&Q::Lease)| match self.is_first(lease) {
            true => lost(),
            false => answer,
        };
        answers.map(arrive).collect()
    }

    async fn failed(&self, lease: &Q::Lease, why: &str) -> Result<Settled, BoxError> {
        let answer = self.queue.failed(lease, why).await;
        match self.is_first(lease) {
            true => lost(),
            false => answer,
        }
    }

    async fn give_back(&self, leases: &[&Q::Lease]) -> Result<(), BoxError> {
        self.queue.give_back(leases).await
    }

    fn lease(&self) -> Option<Duration> {
        self.queue.lease()
    }

    fn keep_every(&self) -> Option<Duration> {
        self.queue.keep_every()
    }

    async fn keep(&self, leases: &[&Q::Lease]) -> Result<Lost, BoxError> {
        self.queue.keep(leases).await
    }

    fn same_job(&self, one: &Q::Lease, other: &Q::Lease) -> bool {
        self.queue.same_job(one, other)
    }

    async fn give_back_unknown(&self, known: &[&Q::Lease]) -> Result<usize, BoxError> {
        self.queue.give_back_unknown(known).await
    }

    async fn end(&self) {
        self.queue.end().await;
    }
}
