//! What a message is settled by.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_nats::jetstream::AckKind;
use async_nats::{Message, Request, Subject};
use tokio::time::Instant;

use super::origin::Origin;
use super::{ANSWER, JetStream};
use crate::component::BoxError;
use crate::jobs::queue::Taken;

/// A message that has to be acknowledged.
pub struct JetStreamLease {
    /// Where the server listens for what becomes of it.
    pub(super) ack: Subject,
    pub(super) attempt: u32,
    /// When the server last knew that we work on it.
    kept: Mutex<Instant>,
    /// Until what has become of it is told.
    held: Mutex<Option<Arc<()>>>,
}

impl JetStreamLease {
    /// It is done or failed: the server may send another.
    pub(super) fn leave_room(&self) {
        *self.held.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Instant> {
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
    /// A message as the worker knows it. `None` for one that JetStream has not sent.
    pub(super) fn taken(&self, message: Message) -> Option<Taken<JetStreamLease>> {
        let ack = message.reply?;
        let origin = Origin::of(&ack)?;
        let headers = message.headers.as_ref();
        let id = match headers.and_then(|it| it.get("Nats-Msg-Id")) {
            Some(id) => id.as_str().to_owned(),
            None => origin.id(),
        };
        let attempt = u32::try_from(origin.delivered).unwrap_or(u32::MAX).max(1);
        Some(Taken {
            id,
            attempt,
            payload: message.payload,
            lease: JetStreamLease {
                ack,
                attempt,
                kept: Mutex::new(Instant::now()),
                held: Mutex::new(Some(self.held.clone())),
            },
        })
    }

    /// Tells the server what has become of a message, and waits until it has noted it.
    pub(super) async fn tell(&self, ack: &Subject, kind: AckKind) -> Result<(), BoxError> {
        let told = (ack.clone(), kind);
        self.told.write(told, |all| self.tell_all(all)).await
    }

    /// The server deals with what one connection tells it about one consumer in the order in which it
    /// is told. So it has noted everything once it has confirmed the last.
    async fn tell_all(&self, mut all: Vec<(Subject, AckKind)>) -> Result<Vec<()>, BoxError> {
        let noted = vec![(); all.len()];
        let connection = self.connections();
        let Some((last, kind)) = all.pop() else {
            return Ok(noted);
        };
        for (ack, kind) in all {
            self.client.publish(ack, kind.into()).await?;
        }
        let request = Request::new().payload(kind.into()).timeout(Some(ANSWER));
        self.client.send_request(last, request).await?;
        if self.connections() != connection {
            return Err("the connection was lost while the server was told".into());
        }
        Ok(noted)
    }
}
