//! What a queue must be able to do to be worked on.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use lameduck_core::BoxError;

/// A place that jobs are taken from, at least once each.
///
/// One file implements it for one queue. The worker calls [`open`](Queue::open),
/// [`ready`](Queue::ready), [`take`](Queue::take) and [`give_back_unknown`](Queue::give_back_unknown)
/// one after the other, never two of them at a time, and everything else at any time and concurrently.
/// An error of any of them is logged, and the call is repeated with a growing pause; so a broker that
/// goes away and comes back needs no more than that the calls work again.
///
/// # Leases
///
/// A lease stands for one attempt at one job. Answers get lost, so a call may be repeated although it has
/// had its effect, and the job may have been handed out again by then, even to this worker:
/// [`done`](Queue::done), [`failed`](Queue::failed), [`give_back`](Queue::give_back) and
/// [`keep`](Queue::keep) must leave any later attempt at the job alone.
///
/// The worker keeps the time of each lease itself, from before the queue was asked. One that could not
/// be renewed is lost a tenth before its end, whatever the queue says later or does not say: the handler is
/// cancelled, and of that attempt the queue is told nothing but that it is done, if it is.
pub trait Queue: Send + Sync + 'static {
    /// What a taken job is settled by: its row, its delivery tag, its message; and which attempt at it
    /// this is.
    type Lease: Send + Sync + 'static;

    /// Gets ready to hand out jobs: registers the worker, subscribes. Called before the first
    /// [`take`](Queue::take) and again after an error of [`ready`](Queue::ready) or `take`. The
    /// worker never holds more than `most` jobs that wait or run, which a broker that pushes should
    /// be told. Those that have ended, and only wait for [`done`](Queue::done) or
    /// [`failed`](Queue::failed) to be over, come on top, up to four times as many.
    ///
    /// # Cancel safety
    ///
    /// It is dropped when the shutdown begins; [`close`](Queue::close) is called then.
    fn open(&self, most: usize) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = most;
        async { Ok(()) }
    }

    /// Completes when it may be worth to call [`take`](Queue::take), which will be for `most` jobs: a
    /// message has arrived, or a polling interval is over.
    ///
    /// # Cancel safety
    ///
    /// Must be cancel safe: it is dropped when the shutdown begins, and no job may be lost by that.
    fn ready(&self, most: usize) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Takes at most `most` jobs, without waiting for more than there are.
    ///
    /// # Cancel safety
    ///
    /// Need not be cancel safe: it is run to its end, but for one that takes longer than a
    /// [`lease`](Queue::lease). What that one would bring is no longer ours.
    fn take(
        &self,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Taken<Self::Lease>>, BoxError>> + Send;

    /// Takes no more: unsubscribes, and gives back what was fetched ahead and not handed out.
    /// Called when the shutdown has begun, perhaps while the last [`take`](Queue::take) is under way;
    /// what that one brings is given back after this. Jobs that were taken are still settled after
    /// it. An error says that something fetched ahead may not have gone back, and is tried again; a
    /// connection that is gone has taken that back by itself, and is none.
    fn close(&self) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// The jobs are done and must not come again. Answered for each, in their order; an error has that
    /// one told again.
    ///
    /// Called with all that have ended since the last call, as soon as that has returned: so it costs
    /// little to have them written by one statement, or confirmed by one answer. It should not take
    /// longer than its queue needs, since those that end meanwhile wait for it.
    fn done(
        &self,
        leases: &[&Self::Lease],
    ) -> impl Future<Output = Vec<Result<Settled, BoxError>>> + Send;

    /// The job has failed: the queue's own rules for another attempt, or for its dead letters,
    /// apply.
    fn failed(
        &self,
        lease: &Self::Lease,
        why: &str,
    ) -> impl Future<Output = Result<Settled, BoxError>> + Send;

    /// The jobs go back, to be taken by another worker at once. One that is no longer ours is no
    /// error.
    fn give_back(
        &self,
        leases: &[&Self::Lease],
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// How long a job stays ours after it was handed out or its lease renewed: by the queue's clock at
    /// least that long. `None`, the default, if it stays ours as long as the connection.
    fn lease(&self) -> Option<Duration> {
        None
    }

    /// How often [`keep`](Queue::keep) is called, never without a
    /// [`lease`](Queue::lease). Default: a third of it.
    fn keep_every(&self) -> Option<Duration> {
        self.lease().map(|lease| lease / 3)
    }

    /// Renews the leases of the jobs. Returns those that are no longer ours, whose handlers are then
    /// cancelled, since another worker runs those jobs. All others are renewed, counted from when it was
    /// called. It must not depend on anything that the application can use up, such as its pool of
    /// connections. An answer that takes longer than the lease is none.
    fn keep(&self, leases: &[&Self::Lease]) -> impl Future<Output = Result<Lost, BoxError>> + Send {
        let _ = leases;
        async { Ok(Lost::default()) }
    }

    /// Whether both stand for the same job, at whatever attempt. The one that was taken first is then
    /// given up by the worker: it is cancelled if it runs, and its failure is not told again. `false` if
    /// the queue never hands out to a worker what that worker has.
    fn same_job(&self, one: &Self::Lease, other: &Self::Lease) -> bool;

    /// Gives back what the queue believes to be ours and is not among `known`: jobs that it has handed
    /// out in an answer that never arrived. They would otherwise stay ours for as long as we renew.
    /// Says how many there were. Called from time to time, after an error, and in a shutdown once
    /// nothing is taken any more; never while a [`take`](Queue::take) is under way. The default is for
    /// queues that have such jobs back by themselves.
    fn give_back_unknown(
        &self,
        known: &[&Self::Lease],
    ) -> impl Future<Output = Result<usize, BoxError>> + Send {
        let _ = known;
        async { Ok(0) }
    }

    /// Nothing more will be asked of it: closes what it has opened for itself. Called once, last of
    /// all, and waited for up to 1 s.
    fn end(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A job as it comes from its queue.
#[derive(Debug)]
pub struct Taken<L> {
    /// What the queue calls it. Names it in the report.
    pub id: String,
    /// How often it has been handed out, this time included: 1 the first time. At least that often;
    /// some queues know only that it is not the first time.
    pub attempt: u32,
    /// What it says.
    pub payload: Bytes,
    /// What it is settled by.
    pub lease: L,
    /// How long ago its lease began, or was last renewed, if that was before [`Queue::take`] was called:
    /// for what the queue had sent ahead. Otherwise zero.
    pub lease_age: Duration,
}

/// The answer for each of so many, from one for all of them.
pub fn answers(n: usize, answer: Result<Vec<Settled>, BoxError>) -> Vec<Result<Settled, BoxError>> {
    match answer {
        Ok(settled) => settled.into_iter().map(Ok).collect(),
        Err(error) => {
            let why = error.to_string();
            (0..n).map(|_| Err(why.as_str().into())).collect()
        }
    }
}

/// Whether it was still ours to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// The queue has taken note.
    Ours,
    /// The lease had ended: the queue has given the job to another worker, or will.
    NotOurs,
}

/// The leases that are no longer ours, as positions in the slice given to [`Queue::keep`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lost(pub Vec<usize>);
