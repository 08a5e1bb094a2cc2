//! What the server has been asked for, and what has come and not been taken yet.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::pull;
use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::JetStream;
use super::lease::JetStreamLease;
use lameduck_core::BoxError;
use lameduck_jobs::Taken;
use lameduck_jobs::adapter::LeaseInstant;

/// How long the server remembers that we want messages. Short, because a server that has forgotten it
/// without a word (it was seen to, rarely, after the end of another subscriber) is asked again only
/// after this.
const PULL: Duration = Duration::from_secs(2);

/// How long after that its answer may take.
const LATE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct InboxState {
    pub(super) inbox: Option<Inbox>,
    /// What has come and has not been taken yet. Its lease runs, and is kept, from here on.
    pub(super) arrived: VecDeque<Taken<JetStreamLease>>,
    pub(super) most: usize,
    /// Who waits for messages. Looking for some on behalf of anybody else would leave it asleep.
    pub(super) waiting: Option<Waker>,
}

pub(super) struct Inbox {
    subject: Subject,
    pub(super) subscriber: Subscriber,
    pull: Option<Pull>,
}

/// What the server has been asked for, at one time or at two.
struct Pull {
    /// How much of it has not come.
    left: usize,
    until: Instant,
    /// The how-manieth connection it was asked on.
    connection: u64,
}

impl InboxState {
    /// Where the server listens for what becomes of what has come.
    pub(super) fn acks(&self) -> Vec<Subject> {
        let arrived = self.arrived.iter();
        arrived.map(|it| it.lease.ack.clone()).collect()
    }
}

impl JetStream {
    /// How many connections there have been. What was sent on an earlier one may not have arrived.
    pub(super) fn connections(&self) -> u64 {
        let statistics = self.client.statistics();
        statistics.connects.load(Ordering::Relaxed)
    }

    /// Asks for as much as there is `room` for, unless most of that is asked for already: the next ones
    /// travel while the last of those before are still to come.
    pub(super) async fn pull(&self, room: usize) -> Result<(), BoxError> {
        let (batch, inbox) = {
            let mut state = self.state();
            let most = state.most;
            let arrived = state.arrived.len();
            let connection = self.connections();
            let inbox = state.inbox.as_mut().ok_or("not subscribed")?;
            let under_way = inbox.pull.as_ref().map_or(0, |pull| {
                let valid = pull.connection == connection && Instant::now() < pull.until;
                if valid { pull.left } else { 0 }
            });
            let batch = room.saturating_sub(under_way + arrived);
            if batch == 0 || under_way > 0 && batch < most.div_ceil(4) {
                return Ok(());
            }
            inbox.pull = Some(Pull {
                left: under_way + batch,
                until: Instant::now() + PULL + LATE,
                connection,
            });
            (batch, inbox.subject.clone())
        };
        let request = pull::BatchConfig {
            batch,
            expires: Some(PULL),
            ..pull::BatchConfig::default()
        };
        if let Err(error) = self.consumer.request_batch(request, inbox).await {
            if let Some(inbox) = &mut self.state().inbox {
                inbox.pull = None;
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Moves what has arrived into the buffer, until there is nothing more for the moment.
    pub(super) fn collect(
        &self,
        state: &mut InboxState,
        cx: &mut Context<'_>,
    ) -> Result<(), BoxError> {
        let inbox = state.inbox.as_mut().ok_or("not subscribed")?;
        let now = LeaseInstant::now();
        while let Poll::Ready(message) = inbox.subscriber.poll_next_unpin(cx) {
            let message = message.ok_or("the client has been closed")?;
            if inbox.note(&message)? {
                state.arrived.extend(self.taken(message, now));
            }
        }
        Ok(())
    }

    /// Keeps the leases of what has not been taken yet; what has lost its lease is somebody else's.
    pub(super) async fn keep_arrived(&self, now: LeaseInstant) -> Result<(), BoxError> {
        let arrived: Vec<Subject> = {
            let mut state = self.state();
            let waiting = state.waiting.clone();
            let waiting = waiting.as_ref().unwrap_or(Waker::noop());
            // An error comes again with the next pull.
            let _ = self.collect(&mut state, &mut Context::from_waker(waiting));
            waiting.wake_by_ref();
            let late = |it: &Taken<JetStreamLease>| now.since(*it.lease.kept()) > self.lease;
            state.arrived.retain(|it| !late(it));
            state.acks()
        };
        self.tell(arrived.clone(), AckKind::Progress).await?;
        for it in &self.state().arrived {
            if arrived.contains(&it.lease.ack) {
                *it.lease.kept() = now;
            }
        }
        Ok(())
    }
}

impl Inbox {
    /// Subscribes to a new one. Nothing is asked for yet.
    pub(super) async fn open(client: &Client) -> Result<Inbox, BoxError> {
        let subject = Subject::from(client.new_inbox());
        let subscriber = client.subscribe(subject.clone()).await?;
        Ok(Inbox {
            subject,
            subscriber,
            pull: None,
        })
    }

    /// Keeps account of what was asked for. Whether the message is a job.
    fn note(&mut self, message: &Message) -> Result<bool, BoxError> {
        let status = match message.status {
            None => {
                if let Some(pull) = &mut self.pull {
                    pull.left = pull.left.saturating_sub(1);
                }
                return Ok(true);
            }
            Some(status) => status,
        };
        if status == StatusCode::IDLE_HEARTBEAT {
            return Ok(false);
        }
        // Whatever it says, it is the server's last word on a pull: of how much it does not say if
        // that is all.
        let unmet = message.headers.as_ref().and_then(|headers| {
            let unmet = headers.get("Nats-Pending-Messages")?;
            unmet.as_str().parse::<usize>().ok()
        });
        self.pull = self.pull.take().and_then(|pull| {
            let left = pull.left.checked_sub(unmet?).filter(|left| *left > 0)?;
            Some(Pull { left, ..pull })
        });
        let why = message.description.as_deref().unwrap_or("no reason given");
        match status {
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => Ok(false),
            StatusCode::NO_RESPONDERS => {
                Err("nobody answers: the consumer is gone, or JetStream is not there yet".into())
            }
            status => Err(format!("the server does not hand out messages: {status} {why}").into()),
        }
    }
}
