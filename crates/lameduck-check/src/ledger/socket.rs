//! What became of a WebSocket, as its client saw it.

use std::time::Instant;

use super::{Held, Parting};

/// One WebSocket, from its opening handshake to the end of its connection.
#[derive(Clone, Debug)]
pub struct Socket {
    /// The client's number in its load, from 1.
    pub client: u32,
    /// When the opening handshake was over.
    pub opened: Instant,
    /// When the connection had ended.
    pub ended: Instant,
    /// The server's Close frame, if one came.
    pub close: Option<ServerClose>,
    /// How the connection ended; [`Parting::Client`] when the prover stopped waiting for that.
    pub parting: Parting,
    /// What of a message was missing at the end, in words.
    pub cut: Option<String>,
    /// What the server did against the protocol, in words.
    pub fault: Option<String>,
    /// That half of a message had been sent when the signal came, if so.
    pub held: Option<Held>,
    /// Messages sent.
    pub sent: u32,
    /// Messages received.
    pub received: u32,
}

/// A Close frame of the server.
#[derive(Clone, Debug)]
pub struct ServerClose {
    /// When it came.
    pub at: Instant,
    /// Its code; `None` when it had none.
    pub code: Option<u16>,
    /// Its reason, often empty.
    pub reason: String,
    /// Whether the connection was still there for the client's own Close.
    pub answered: bool,
}

impl Socket {
    /// When the server sent its client away: with its Close, or by ending the connection. `None` when it did neither.
    pub fn sent_away(&self) -> Option<Instant> {
        match &self.close {
            Some(close) => Some(close.at),
            None => (self.parting != Parting::Client).then_some(self.ended),
        }
    }

    /// Open at a moment, and not yet sent away.
    pub fn is_open_at(&self, moment: Instant) -> bool {
        self.opened <= moment && self.sent_away().unwrap_or(self.ended) > moment
    }
}

/// A time in which the prover itself stood still: what arrived in it was seen at its end.
#[derive(Clone, Copy, Debug)]
pub struct Stall {
    /// When it should have gone on.
    pub from: Instant,
    /// When it did.
    pub until: Instant,
}
