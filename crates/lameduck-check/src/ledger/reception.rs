//! What the target had received at the signal, and what it may never have accepted: connections in the kernel's queue.
//!
//! # What must hold
//! - A request that arrived about when the signal did is not one that the target had received: it may be told to go elsewhere.
//! - A request in the queue of a saturated target is lost as one on an established connection (`accept-lossless`), not as one
//!   that the target had received: nobody can tell that it had. So is one on a kept connection that was reset, which tells
//!   that it had not been read (`keepalive-lossless`).

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use super::{Ending, Exchange, Latencies, Round};
use crate::wire::Reach;

/// So long a busy target may take to read what has arrived, or to accept a connection.
const BUSY: Duration = Duration::from_millis(50);

impl Round {
    /// A fresh connection whose request was sent before this moment had been accepted when the signal came, even by
    /// a busy target; of a later one nobody can tell.
    pub(crate) fn accepted_until(&self) -> Instant {
        let signal = self.signalled();
        signal.checked_sub(BUSY + self.rtt).unwrap_or(signal)
    }

    /// Whether even a busy target had received a request when the signal came: on a connection in use, if it had arrived a while
    /// before; on a fresh one, if that had been accepted. What is lost of the others is a loss on a kept or a fresh connection.
    pub(crate) fn was_received(&self, exchange: &Exchange) -> bool {
        let signal = self.signalled();
        let in_time = match exchange.reused {
            true => signal.checked_sub(self.rtt / 2 + BUSY).unwrap_or(signal),
            false => self.accepted_until(),
        };
        let is_held = self.was_held(exchange);
        let in_time = if is_held { signal } else { in_time };
        exchange.written.is_some_and(|written| written < in_time)
    }

    /// Whether a request that came with the signal, or after it, was answered 503: it is told to go elsewhere, and nothing
    /// of it is lost.
    pub(crate) fn is_honest_refusal(&self, exchange: &Exchange) -> bool {
        exchange.status == Some(503) && !self.was_received(exchange)
    }
}

/// The queue of a round's target at its signal. Whether there was one is asked for only where something was lost.
pub(crate) struct Backlog<'a> {
    round: &'a Round,
    is_saturated: OnceCell<bool>,
}

impl<'a> Backlog<'a> {
    pub(crate) fn of(round: &'a Round) -> Self {
        Self {
            round,
            is_saturated: OnceCell::new(),
        }
    }

    /// Whether the loss of a request may be that of one that the target never looked at: on a connection that it had not
    /// accepted, or on one that it closed with something unread, which is a reset.
    pub(crate) fn may_have_held(&self, exchange: &Exchange) -> bool {
        let was_read = exchange.held.is_some_and(|held| held.reach == Reach::Read);
        let is_reset = exchange.ending == Ending::ResetBeforeResponse;
        !was_read
            && (!exchange.reused || is_reset)
            && exchange.ending.is_lost()
            && exchange.status.is_none()
            && *self.is_saturated.get_or_init(|| {
                Latencies::before_the_signal(self.round)
                    .saturation()
                    .is_some()
            })
    }
}
