//! Jobs in NATS JetStream, from a durable pull consumer.
//!
//! # What must hold
//!
//! 1. A message that the server has sent us is in the buffer, held by a lease, or settled: messages
//!    are asked for by a pull request whose answers come to one inbox, which lives as long as the
//!    subscription, and no stream of messages is ever dropped with some in it.
//! 2. Never more is asked for than there is room for: what is on its way and what is in the buffer are
//!    together at most what the worker has room for.
//! 3. The lease of what is in the buffer is kept like that of what is held: a busy worker may leave
//!    it there for long.
//! 4. The server is told once at most that a message goes back: it takes that for a word about the latest
//!    delivery, whichever it was said of.
//! 5. The end of the subscription is confirmed by the server, so that what it had sent by then has
//!    arrived, and goes back.

mod inbox;
mod lease;
mod origin;

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use futures_util::StreamExt;
use futures_util::future::join;

use self::inbox::{Inbox, InboxState};
use self::lease::{JetStreamLease, acks};
use lameduck_core::BoxError;
use lameduck_jobs::adapter::LeaseInstant;
use lameduck_jobs::adapter::answers;
use lameduck_jobs::{Lost, Queue, Settled, Taken};

/// How often is looked whether the connection is still the one that we pulled on: the server
/// forgets what was wanted on one that has ended.
const LOOK: Duration = Duration::from_millis(500);

/// The longest that the server may take to confirm.
const ANSWER: Duration = Duration::from_secs(2);

/// A durable pull consumer of NATS JetStream, which must acknowledge explicitly.
///
/// - **Attempts** are those that the server counts, in which being given back counts too. A consumer
///   with `max_deliver` should leave room for some shutdowns: a message that has used it up stays in
///   the stream and is handed out no more.
/// - **A failed job** is handed out again after the consumer's own `backoff` for its attempt, or after
///   [`retry_after`](JetStream::retry_after) if the consumer has none, until `max_deliver`.
/// - **Lease.** `ack_wait`, renewed each third of it while the job runs. One that could not be renewed
///   in time is lost, and the handler cancelled.
/// - **A server that goes away**: the client connects again by itself.
/// - **TLS and credentials** are features of `async-nats` (`ring`, `nkeys`), which this crate does not
///   turn on.
pub struct JetStream {
    client: Client,
    consumer: PullConsumer,
    lease: Duration,
    retry: Duration,
    state: Mutex<InboxState>,
}

impl JetStream {
    /// Jobs from `consumer`, over `client`. The client is yours to close, after the worker has ended:
    /// `.close("nats", client)`.
    pub fn new(client: Client, consumer: PullConsumer) -> JetStream {
        let config = &consumer.cached_info().config;
        let shortest = config
            .backoff
            .iter()
            .copied()
            .chain([config.ack_wait])
            .min();
        JetStream {
            client,
            // What the server takes if nothing is said.
            lease: shortest
                .filter(|lease| !lease.is_zero())
                .unwrap_or(Duration::from_secs(30)),
            consumer,
            retry: Duration::from_secs(1),
            state: Mutex::default(),
        }
    }

    /// How long a failed job waits for its next attempt if the consumer has no `backoff`: 1 s unless
    /// told.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry = pause;
        self
    }

    fn state(&self) -> MutexGuard<'_, InboxState> {
        // Every change of it is complete before anything that could panic.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The pause before the next attempt, as the consumer has it.
    fn pause_after(&self, attempt: u32) -> Duration {
        let backoff = &self.consumer.cached_info().config.backoff;
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let pause = backoff.get(step).or(backoff.last()).copied();
        pause.unwrap_or(self.retry)
    }
}

impl fmt::Debug for JetStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.consumer.cached_info();
        f.debug_struct("JetStream")
            .field("stream", &info.stream_name)
            .field("consumer", &info.name)
            .field("lease", &self.lease)
            .field("retry_after", &self.retry)
            .finish_non_exhaustive()
    }
}

impl Queue for JetStream {
    type Lease = JetStreamLease;

    async fn open(&self, most: usize) -> Result<(), BoxError> {
        if self.consumer.cached_info().config.ack_policy != AckPolicy::Explicit {
            let name = &self.consumer.cached_info().name;
            return Err(format!(
                "the consumer {name:?} does not acknowledge each message: create it with AckPolicy::Explicit"
            )
            .into());
        }
        self.state().most = most;
        // One inbox for good: what a pull that failed still brings is not lost.
        if self.state().inbox.is_none() {
            let inbox = Inbox::open(&self.client).await?;
            self.state().inbox = Some(inbox);
        }
        Ok(())
    }

    async fn ready(&self, most: usize) -> Result<(), BoxError> {
        loop {
            self.pull(most).await?;
            let arrived = std::future::poll_fn(|cx| {
                let mut state = self.state();
                state.waiting = Some(cx.waker().clone());
                match self.collect(&mut state, cx) {
                    // An error comes again when there is nothing else to tell.
                    _ if !state.arrived.is_empty() => Poll::Ready(Ok(())),
                    Err(error) => Poll::Ready(Err(error)),
                    Ok(()) => Poll::Pending,
                }
            });
            if let Ok(arrived) = tokio::time::timeout(LOOK, arrived).await {
                return arrived;
            }
        }
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<JetStreamLease>>, BoxError> {
        let taken: Vec<_> = {
            let mut state = self.state();
            let collected = self.collect(&mut state, &mut Context::from_waker(Waker::noop()));
            if state.arrived.is_empty() {
                collected?;
            }
            let n = most.min(state.arrived.len());
            let now = LeaseInstant::now();
            let taken = state.arrived.drain(..n).map(|mut it| {
                it.lease_age = now.since(*it.lease.kept());
                it
            });
            taken.collect()
        };
        // The next ones travel while these run. If it fails, `ready` tries again and says so.
        let _ = self.pull(most - taken.len()).await;
        Ok(taken)
    }

    async fn close(&self) -> Result<(), BoxError> {
        let inbox = self.state().inbox.take();
        if let Some(mut inbox) = inbox {
            let rest = async {
                if inbox.subscriber.drain().await.is_ok() {
                    while let Some(message) = inbox.subscriber.next().await {
                        if message.status.is_none() {
                            let taken = self.taken(message, LeaseInstant::now());
                            self.state().arrived.extend(taken);
                        }
                    }
                }
            };
            // Without a connection nothing more arrives, and what was under way comes to somebody
            // else when its lease is over.
            let _ = tokio::time::timeout(ANSWER, rest).await;
        }
        let arrived = self.state().acks();
        self.tell(arrived, AckKind::Nak(None)).await?;
        self.state().arrived.clear();
        Ok(())
    }

    async fn done(&self, leases: &[&JetStreamLease]) -> Vec<Result<Settled, BoxError>> {
        let told = self.tell(acks(leases), AckKind::Ack);
        let noted = told.await.map(|()| vec![Settled::Ours; leases.len()]);
        answers(leases.len(), noted)
    }

    async fn failed(&self, lease: &JetStreamLease, _why: &str) -> Result<Settled, BoxError> {
        let pause = self.pause_after(lease.attempt);
        self.return_once(&[lease], Some(pause)).await?;
        Ok(Settled::Ours)
    }

    async fn give_back(&self, leases: &[&JetStreamLease]) -> Result<(), BoxError> {
        self.return_once(leases, None).await
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.lease)
    }

    async fn keep(&self, leases: &[&JetStreamLease]) -> Result<Lost, BoxError> {
        // To the server any word about a message is one about its latest delivery.
        let ours = leases.iter().filter(|it| !it.is_returned());
        let told = self.tell(ours.map(|it| it.ack.clone()).collect(), AckKind::Progress);
        let (arrived, told) = join(self.keep_arrived(LeaseInstant::now()), told).await;
        arrived.and(told)?;
        // The server does not say which are no longer ours; our own clock does.
        Ok(Lost::default())
    }

    fn same_job(&self, one: &JetStreamLease, other: &JetStreamLease) -> bool {
        one.sequence == other.sequence
    }
}
