//! `inflight-completes`: every request received before the deadline gets its whole response.
//!
//! Tried by the requests that had reached the target when the signal came, and by every later one whose response
//! began: that one had been received. Uploads, downloads, event streams, HTTP/2 and gRPC have promises of their own.
//! Tried too by requests on fresh connections that had sent half of their head at the signal, and sent the rest a little
//! after it. Until its head is whole it is no request yet (RFC 9112, 2.1): a server may close such a connection. Lost is
//! one whose rest had arrived before that.
//! A 503 to one that was sent after the signal is an answer. A target that was saturated before the signal had accepted who
//! knows what of its queue: there a loss on a fresh connection is undecided.

use std::cell::LazyCell;
use std::time::Duration;

use super::Promise;
use crate::ledger::{Ending, Exchange, Lane, Latencies, Round};
use crate::verdict::{Finding, Untried, Verdict};

/// A timer's grain, and the time a busy machine takes to wake somebody.
const MARGIN: Duration = Duration::from_millis(5);

/// Loads whose requests may be in flight at the signal.
const LOADS: &[Lane] = &[
    Lane::KeepAlive,
    Lane::Pool,
    Lane::PerRequest,
    Lane::Slow,
    Lane::Order,
];

/// Whether the target had all of a request before it ended the connection: its end came a whole round trip after that.
fn was_whole_before_the_end(round: &Round, exchange: &Exchange) -> bool {
    /// A courier's grain, and the moment between a client's last look and its last byte.
    const GRAIN: Duration = Duration::from_millis(2);
    let written = exchange.written.unwrap_or(exchange.began);
    exchange.ended.saturating_duration_since(written) >= round.rtt + GRAIN
}

#[derive(Default)]
pub(super) struct InflightCompletes {
    is_asked: bool,
}

impl Promise for InflightCompletes {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(LOADS);
        let signal = round.signalled();
        // Asked for only where something was lost.
        let queued = LazyCell::new(|| Latencies::before_the_signal(round).saturation());
        // On a connection in use, what was written half a round trip before the signal had arrived at it.
        let had_arrived = signal.checked_sub(round.rtt / 2 + MARGIN).unwrap_or(signal);
        // A fresh connection may have waited to be accepted: `accept-lossless` is about those.
        let was_accepted = round.accepted_until();
        // Its head had begun on a connection that was accepted: it is answered, or its client was told in time that
        // nobody would. What it is answered is not compared, for it was asked after the signal.
        for exchange in round.since_signal() {
            if exchange.lane != Lane::HalfHead || exchange.began >= was_accepted {
                continue;
            }
            match exchange.ending.is_lost() {
                // The end of the connection and the rest of the head crossed each other.
                true if !was_whole_before_the_end(round, exchange) => {}
                true => {
                    let is_doubtful =
                        round.may_have_crossed(exchange) || round.may_be_late(exchange);
                    let mut evidence = round.evidence_of(exchange);
                    evidence.what = format!(
                        "{}; half of its head had come before the signal",
                        evidence.what
                    );
                    finding.failed(is_doubtful, evidence);
                }
                false if exchange.ending.is_answered() => finding.kept(),
                // Refused, or told in time.
                false => {}
            }
        }
        for exchange in round.since_signal() {
            let in_time = if exchange.reused {
                had_arrived
            } else {
                was_accepted
            };
            let was_received = exchange.status.is_some()
                || exchange.written.is_some_and(|written| written < in_time);
            if exchange.lane.has_its_own() || !was_received {
                continue;
            }
            match exchange.ending {
                Ending::Ok | Ending::OkClose => finding.kept(),
                // It came after the signal, and was told to go elsewhere: that is an answer.
                Ending::Status5xx if round.is_honest_refusal(exchange) => {}
                _ if exchange.ending.is_lost() && !exchange.reused && queued.is_some() => {
                    let mut evidence = round.evidence_of(exchange);
                    evidence.what = format!(
                        "{}; it may have been queued and never accepted: {}",
                        evidence.what,
                        queued.as_deref().unwrap_or_default()
                    );
                    finding.undecided(evidence);
                }
                _ => {
                    let is_doubtful = exchange.ending.is_lost()
                        && exchange.status.is_none()
                        && round.may_have_crossed(exchange);
                    finding.failed(is_doubtful, round.evidence_of(exchange));
                }
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
        "every request it received got its whole response",
        "requests it had received got no whole response, or an error",
        match self.is_asked {
            true => Untried::missed(
                "no request was in flight at the signal: give --slow a path that takes a second or so",
            ),
            false => Untried::unasked("give --slow PATH or --get PATH to test it"),
        },
    )
    }
}
