//! Where the prover itself may be to blame: it stood still, and so did, sent or saw something later than it should.
//!
//! # What must hold
//! - A trial that went wrong is undecided only where a stall of the prover could have made it go wrong.
//! - A trial that went well is never in doubt: a stall makes nothing go well.

use std::time::{Duration, Instant};

use super::{Ending, Exchange, Round};

/// What a task needs to be woken and to do its work, at the most, on a machine that is not short of anything.
const WAKING: Duration = Duration::from_millis(20);

impl Round {
    /// How long the prover itself stood still within a time, all in all.
    pub(crate) fn stalled_within(&self, from: Instant, until: Instant) -> Duration {
        let overlap = |stall: &super::Stall| {
            let (from, until) = (stall.from.max(from), stall.until.min(until));
            until.saturating_duration_since(from)
        };
        self.stalls.iter().map(overlap).sum()
    }

    /// Whether it stood still at all within a time.
    pub(crate) fn stood_still_within(&self, from: Instant, until: Instant) -> bool {
        !self.stalled_within(from, until).is_zero()
    }

    /// Whether a request may have been sent because the prover had not yet looked at what had come, or may have been
    /// sent later than it was entered: on its connection the end may have been there already.
    pub(crate) fn may_be_late(&self, exchange: &Exchange) -> bool {
        let written = exchange.written.unwrap_or(exchange.began);
        let has_crossed = matches!(
            exchange.ending,
            Ending::ResetBeforeResponse | Ending::EofBeforeResponse
        );
        // One that was sent well before the signal, or never answered, has crossed nothing.
        if !has_crossed || written < before(self.signalled(), self.rtt + WAKING) {
            return false;
        }
        // Without distance the kernel is asked on the spot.
        if self.rtt.is_zero() && exchange.lane.is_http1() {
            return self.stood_still_within(exchange.began, written);
        }
        // With it a courier of the prover's brings the end, and over HTTP/2 a task of its own sends the request. What came
        // later than the stalls can have held it up has crossed the request in any case.
        let since = before(exchange.began, self.rtt + WAKING);
        let stalled = self.stalled_within(since, exchange.ended);
        !stalled.is_zero() && before(exchange.ended, stalled) <= written
    }

    /// Whether what was sent before the signal may have arrived after it: a courier of the prover's carries it.
    pub(crate) fn may_have_crossed(&self, exchange: &Exchange) -> bool {
        let (sent, signal) = (exchange.began, self.signalled());
        self.stood_still_within(sent, signal + WAKING)
    }

    /// Whether a limit was passed only if what the prover itself stood still is counted.
    pub(crate) fn may_be_in_time(&self, from: Instant, until: Instant, limit: Duration) -> bool {
        let took = until.saturating_duration_since(from);
        took.saturating_sub(self.stalled_within(from, until)) <= limit
    }
}

fn before(moment: Instant, duration: Duration) -> Instant {
    moment.checked_sub(duration).unwrap_or(moment)
}
