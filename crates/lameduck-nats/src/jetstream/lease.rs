//! What a message is settled by.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::{Message, Request, Subject};
use bytes::Bytes;

use super::origin::Origin;
use super::{ANSWER, JetStream};
use lameduck_core::BoxError;
use lameduck_jobs::Taken;
use lameduck_jobs::adapter::LeaseInstant;

/// A message that has to be acknowledged.
pub struct JetStreamLease {
    /// Where the server listens for what becomes of it.
    pub(super) ack: Subject,
    pub(super) attempt: u32,
    /// The message's number in the stream.
    pub(super) sequence: u64,
    /// The server has been told that it goes back, and may have heard that.
    returned: AtomicBool,
    /// When the server last knew that we work on it, until the worker has it.
    kept: Mutex<LeaseInstant>,
}

impl JetStreamLease {
    /// Whether the server may have heard that it goes back.
    pub(super) fn is_returned(&self) -> bool {
        self.returned.load(Ordering::Acquire)
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, LeaseInstant> {
        self.kept.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl fmt::Debug for JetStreamLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamLease")
            .field("ack", &self.ack)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl JetStream {
    /// A message as the worker knows it, which came at `now`. `None` for one that JetStream has not sent.
    pub(super) fn taken(
        &self,
        message: Message,
        now: LeaseInstant,
    ) -> Option<Taken<JetStreamLease>> {
        let ack = message.reply?;
        let origin = Origin::of(&ack)?;
        let headers = message.headers.as_ref();
        let id = match headers.and_then(|it| it.get("Nats-Msg-Id")) {
            Some(id) => id.as_str().to_owned(),
            None => origin.id(),
        };
        let sequence = origin.sequence.parse().ok()?;
        let attempt = u32::try_from(origin.delivered).unwrap_or(u32::MAX).max(1);
        Some(Taken {
            id,
            attempt,
            payload: message.payload,
            lease: JetStreamLease {
                ack,
                attempt,
                sequence,
                returned: AtomicBool::new(false),
                kept: Mutex::new(now),
            },
            lease_age: Duration::ZERO,
        })
    }

    /// Tells the server that messages go back, once: it takes the word of an earlier delivery for one about
    /// the latest, so a second time could take the message away from whoever has it by then. Should the first
    /// not have arrived, the message comes again after the time of its lease, which is not renewed any more.
    pub(super) async fn return_once(
        &self,
        leases: &[&JetStreamLease],
        pause: Option<Duration>,
    ) -> Result<(), BoxError> {
        let first = leases
            .iter()
            .filter(|it| !it.returned.swap(true, Ordering::AcqRel));
        let first = first.map(|it| it.ack.clone()).collect();
        self.tell(first, AckKind::Nak(pause)).await
    }

    /// Tells the server what has become of messages, and waits until it has noted that.
    ///
    /// It deals with what one connection tells it about one consumer in the order in which it is told. So
    /// it has noted everything once it has confirmed the last.
    pub(super) async fn tell(&self, mut acks: Vec<Subject>, kind: AckKind) -> Result<(), BoxError> {
        let Some(last) = acks.pop() else {
            return Ok(());
        };
        let connection = self.connections();
        let kind = Bytes::from(kind);
        for ack in acks {
            self.client.publish(ack, kind.clone()).await?;
        }
        let request = Request::new().payload(kind).timeout(Some(ANSWER));
        self.client.send_request(last, request).await?;
        if self.connections() != connection {
            return Err("the connection was lost while the server was told".into());
        }
        Ok(())
    }
}

/// Where the server listens for what becomes of these.
pub(super) fn acks(leases: &[&JetStreamLease]) -> Vec<Subject> {
    leases.iter().map(|it| it.ack.clone()).collect()
}
