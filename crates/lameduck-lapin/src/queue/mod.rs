//! Jobs in RabbitMQ.
//!
//! # What must hold
//!
//! 1. The broker takes back whatever is not acknowledged when the channel it was delivered on ends.
//!    So a lease keeps its channel open, and is lost exactly when that channel is.
//! 2. A channel is used for one subscription. One that was only half set up when somebody stopped
//!    waiting for it is dropped, which closes it and sends everything back.
//! 3. No channel is dropped shortly before the connection is closed: `lapin` then finds that it closes
//!    a channel of a connection that is being closed, and breaks off. So the last one is kept.
//! 4. Acknowledgements are not answered. So during a shutdown, when nobody is left to find out
//!    later, each is followed by something on the same channel that is: what the broker answers last
//!    it has read last.
//! 5. The connection is closed, by handshake, when the subscription has ended and the last job is
//!    settled.

mod lease;
mod subscription;

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    BasicRejectOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};

use self::lease::RabbitMqLease;
use self::subscription::{Subscription, SubscriptionState};
use lameduck_core::BoxError;
use lameduck_core::internal::BoxFuture;
use lameduck_core::internal::Latch;
use lameduck_jobs::{Lost, Queue, Settled, Taken};

/// How often is looked whether the channels of running jobs are still there. Costs nothing: the
/// connection itself notices.
const LOOK: Duration = Duration::from_secs(1);

/// The longest that the closing handshake is waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// A queue in RabbitMQ, over a connection of its own. The queue must exist.
///
/// - **Attempts** are counted by quorum queues alone. With any other queue the attempt is 1, or 2 for
///   "not the first time".
/// - **A failed job** goes back to the queue after a pause, so that none vanishes. A quorum queue
///   with a delivery limit ends that, by its own rules. If the queue has a dead-letter exchange,
///   [`dead_letter_failed`](RabbitMq::dead_letter_failed) leaves failed jobs to it at once.
/// - **Lease.** A job is ours while the connection lives, and comes to another worker when it does
///   not. But RabbitMQ ends the channel of a consumer that does not acknowledge for its
///   `consumer_timeout` (RabbitMQ's default: 30 minutes): a job that takes longer needs a longer one.
/// - **A broker that goes away** takes back all jobs; their handlers are cancelled. The worker
///   connects again by itself.
/// - **TLS** needs one of `lapin`'s features for it, which this crate does not turn on.
pub struct RabbitMq {
    connect: Connect,
    queue: String,
    pause: Duration,
    dead_letter: bool,
    state: Mutex<SubscriptionState>,
    /// Jobs taken and not settled.
    held: Arc<AtomicUsize>,
    /// The shutdown has begun.
    stopping: Latch,
    /// The subscription has ended.
    closed: AtomicBool,
}

type Connect = Box<dyn Fn() -> BoxFuture<Result<Connection, lapin::Error>> + Send + Sync>;

impl RabbitMq {
    /// The queue called `queue` at `uri`, for example `amqp://user:password@localhost:5672/%2f`.
    pub fn new(uri: impl Into<String>, queue: impl Into<String>) -> RabbitMq {
        let uri = uri.into();
        RabbitMq::connecting(queue, move || {
            let uri = uri.clone();
            async move {
                let properties =
                    ConnectionProperties::default().with_connection_name("lameduck jobs".into());
                Connection::connect(&uri, properties).await
            }
        })
    }

    /// The same over connections that `connect` makes: the first one, and another one after each
    /// that was lost. They should not recover by themselves.
    pub fn connecting<F>(
        queue: impl Into<String>,
        connect: impl Fn() -> F + Send + Sync + 'static,
    ) -> RabbitMq
    where
        F: Future<Output = Result<Connection, lapin::Error>> + Send + 'static,
    {
        RabbitMq {
            connect: Box::new(move || Box::pin(connect())),
            queue: queue.into(),
            pause: Duration::from_secs(1),
            dead_letter: false,
            state: Mutex::default(),
            held: Arc::default(),
            stopping: Latch::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// How long a failed job is held before it goes back to the queue. Default: 1 s. Meanwhile it
    /// takes up room like one that runs. During a shutdown it goes back at once.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Rejects failed jobs, so that RabbitMQ hands them to the queue's dead-letter exchange. **If the
    /// queue has none, RabbitMQ throws them away**, which is why this is not the default.
    pub fn dead_letter_failed(mut self) -> Self {
        self.dead_letter = true;
        self
    }

    fn state(&self) -> MutexGuard<'_, SubscriptionState> {
        // Every change of it is complete before anything that could panic.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The connection, or a new one if it is gone.
    async fn connection(&self) -> Result<Arc<Connection>, BoxError> {
        if let Some(connection) = self.state().connection.clone()
            && connection.status().connected()
        {
            return Ok(connection);
        }
        let connection = Arc::new((self.connect)().await?);
        self.state().connection = Some(connection.clone());
        Ok(connection)
    }

    /// Ends the connection once nothing needs it any more.
    async fn goodbye_if_last(&self) {
        if !self.closed.load(Ordering::SeqCst) || self.held.load(Ordering::SeqCst) > 0 {
            return;
        }
        let Some(connection) = self.state().connection.take() else {
            return;
        };
        let _kept = self.state().last_channel.take();
        if connection.status().connected() {
            let goodbye = connection.close(200, "shutting down".into());
            // A broker that does not answer has taken everything back by the end of the process.
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq")
            .field("queue", &self.queue)
            .field("retry_after", &self.pause)
            .field("dead_letter_failed", &self.dead_letter)
            .finish_non_exhaustive()
    }
}

impl Queue for RabbitMq {
    type Lease = RabbitMqLease;

    async fn open(&self, most: usize) -> Result<(), BoxError> {
        // The channel of the one before stays open for as long as a lease needs it.
        self.state().subscription = None;
        let connection = self.connection().await?;
        let channel = connection.create_channel().await?;
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        channel.basic_qos(most, BasicQosOptions::default()).await?;
        let consumer = channel
            .basic_consume(
                self.queue.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        let mut state = self.state();
        state.forget_lost();
        state.subscription = Some(Subscription { channel, consumer });
        Ok(())
    }

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        poll_fn(|cx| {
            let mut state = self.state();
            state.forget_lost();
            state.collect(1, cx)
        })
        .await
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<RabbitMqLease>>, BoxError> {
        poll_fn(|cx| {
            let mut state = self.state();
            state.forget_lost();
            match state.collect(most, cx) {
                Poll::Ready(Err(error)) if state.arrived.is_empty() => {
                    return Poll::Ready(Err(error));
                }
                // An error comes again when there is nothing else to tell.
                Poll::Ready(_) | Poll::Pending => {}
            }
            let n = most.min(state.arrived.len());
            let taken = state.arrived.drain(..n);
            let taken = taken.map(|(delivery, channel)| self.taken(delivery, channel));
            Poll::Ready(Ok(taken.collect()))
        })
        .await
    }

    async fn close(&self) -> Result<(), BoxError> {
        self.stopping.set();
        let subscription = self.state().subscription.take();
        if let Some(subscription) = subscription {
            let (channel, tag) = (subscription.channel.clone(), subscription.consumer.tag());
            let canceled = channel
                .basic_cancel(tag, BasicCancelOptions::default())
                .await;
            let mut state = self.state();
            if canceled.is_ok() {
                // The broker's answer is the last thing on the subscription, so what is there now
                // is all that there will be.
                state.subscription = Some(subscription);
                let mut cx = Context::from_waker(std::task::Waker::noop());
                // Ends with the error that says that the subscription has ended.
                let _ = state.collect(usize::MAX, &mut cx);
                state.subscription = None;
            }
            state.last_channel = Some(channel);
        }
        let arrived = std::mem::take(&mut self.state().arrived);
        for (delivery, _channel) in arrived {
            // An error is the end of the channel, which sends it back too.
            let _ = delivery.acker.nack(requeue()).await;
        }
        self.closed.store(true, Ordering::SeqCst);
        self.goodbye_if_last().await;
        Ok(())
    }

    async fn done(&self, leases: &[&RabbitMqLease]) -> Vec<Result<Settled, BoxError>> {
        let acked = leases.iter().map(|lease| async {
            let ack = lease.acker.ack(BasicAckOptions::default());
            Ok(self.settle(lease, ack).await)
        });
        join_all(acked).await
    }

    async fn failed(&self, lease: &RabbitMqLease, _why: &str) -> Result<Settled, BoxError> {
        if self.dead_letter {
            let reject = lease.acker.reject(BasicRejectOptions { requeue: false });
            return Ok(self.settle(lease, reject).await);
        }
        // Until the shutdown begins, at the longest.
        let _ = tokio::time::timeout(self.pause, self.stopping.until_set()).await;
        Ok(self.settle(lease, lease.acker.nack(requeue())).await)
    }

    async fn give_back(&self, leases: &[&RabbitMqLease]) -> Result<(), BoxError> {
        // All at once: one answer after the other would take as many round trips as there are jobs,
        // of a broker that may be busy, in the little time that is left.
        let given = leases
            .iter()
            .map(|lease| self.settle(lease, lease.acker.nack(requeue())));
        join_all(given).await;
        Ok(())
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(LOOK)
    }

    async fn keep(&self, leases: &[&RabbitMqLease]) -> Result<Lost, BoxError> {
        let lost = leases
            .iter()
            .enumerate()
            .filter(|(_, lease)| lease.is_lost());
        let lost: Vec<usize> = lost.map(|(position, _)| position).collect();
        for position in &lost {
            leases[*position].over();
        }
        if !lost.is_empty() {
            self.goodbye_if_last().await;
        }
        Ok(Lost(lost))
    }

    /// The broker hands nothing out that is on an open channel, and takes nothing back but by the number
    /// of its delivery. So it has by itself whatever was lost on the way: the connection is gone then.
    fn same_job(&self, _one: &RabbitMqLease, _other: &RabbitMqLease) -> bool {
        false
    }
}

fn requeue() -> BasicNackOptions {
    BasicNackOptions {
        multiple: false,
        requeue: true,
    }
}
