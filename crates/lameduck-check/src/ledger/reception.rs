//! What the target had received at the signal, and what it may never have accepted: connections in the kernel's queue.
//!
//! # What must hold
//! - A request that arrived about when the signal did is not one that the target had received: it may be told to go elsewhere.
//! - A request that the target may never have looked at is not one that it had received: it is lost on a fresh connection
//!   (`accept-lossless`) or on a kept one (`keepalive-lossless`).

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

    /// Whether the loss of a request may be that of one that the target never looked at: on a connection that it closed with
    /// something unread, which is a reset, or, where it was saturated, on one that it had not accepted.
    pub(crate) fn may_have_held(&self, exchange: &Exchange) -> bool {
        let was_read = exchange.held.is_some_and(|held| held.reach == Reach::Read);
        if was_read || !exchange.ending.is_lost() || exchange.status.is_some() {
            return false;
        }
        let is_reset = exchange.ending == Ending::ResetBeforeResponse;
        exchange.lane.is_quick() && is_reset
            || (!exchange.reused || is_reset) && self.is_saturated()
    }

    fn is_saturated(&self) -> bool {
        *self.is_saturated.get_or_init(|| {
            let latencies = Latencies::before_the_signal(self.round);
            latencies.saturation().is_some()
        })
    }
}
