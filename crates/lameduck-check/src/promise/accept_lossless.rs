//! `accept-lossless`: no established connection is reset unserved.
//!
//! Tried by fresh connections from the signal on, by those before it that the target may never have looked at, and by
//! those that had said nothing, or half of a head, at the signal, and were reset with the rest unread.

use std::time::Duration;

use super::Promise;
use super::inflight_completes::UNSAID;
use crate::ledger::{Backlog, Ending, Lane, NO_DESCRIPTOR, Round, Terms};
use crate::verdict::{Finding, Untried, Verdict};

/// Loads that make connections around the signal.
const FRESH: &[Lane] = &[
    Lane::KeepAlive,
    Lane::Pool,
    Lane::PerRequest,
    Lane::Slow,
    Lane::Order,
];

/// Who was asked for so long while the prover was awake had time to answer.
const PATIENT: Duration = Duration::from_secs(2);

pub(super) struct AcceptLossless {
    is_asked: bool,
    /// Whether a refusal is a loss: others serve the address too.
    continuous: bool,
}

impl AcceptLossless {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            is_asked: false,
            continuous: terms.continuous,
        })
    }
}

impl Promise for AcceptLossless {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(FRESH);
        // One whose request was sent before was in flight: `inflight-completes` is about those.
        let queued = round.accepted_until();
        let backlog = Backlog::of(round);
        let fresh = round.since_signal().filter(|exchange| {
            let is_late = FRESH.contains(&exchange.lane)
                && !exchange.reused
                && exchange.written.is_some_and(|written| written >= queued);
            // The target closed without having looked whether more had come.
            let is_unread = UNSAID.contains(&exchange.lane)
                && exchange.ending == Ending::ResetBeforeResponse
                && round.was_held(exchange)
                && round.was_whole_before_the_end(exchange);
            let is_queued =
                !exchange.reused && exchange.written.is_some() && backlog.may_have_held(exchange);
            is_late || is_unread || is_queued
        });
        // A listener that is there and never accepts: its queue is full, and it says neither yes nor no.
        let unanswered = round.since_signal().filter(|exchange| {
            FRESH.contains(&exchange.lane)
                && exchange.ending == Ending::Unanswered
                && exchange.ended <= round.exit.at
        });
        // Who was not there cannot tell whether it would have been served.
        if let Some((what, times)) = round
            .shortages
            .iter()
            .find(|(what, _)| *what == NO_DESCRIPTOR)
        {
            let what = format!("{what}, {times} times: fewer came than should have");
            finding.undecided(round.evidence(round.exit.at, "the prover itself", what));
        }
        if self.continuous {
            let refused = round.since_signal().filter(|exchange| {
                FRESH.contains(&exchange.lane) && exchange.ending == Ending::Refused
            });
            refused.for_each(|exchange| finding.broken(round.evidence_of(exchange)));
        }
        for exchange in unanswered {
            // The kernel asks again and again by itself, whether the prover stands still or not, as long as it is alive.
            let is_doubtful = round.may_be_in_time(exchange.began, exchange.ended, PATIENT);
            finding.failed(is_doubtful, round.evidence_of(exchange));
        }
        for exchange in fresh {
            match exchange.ending.is_lost() && exchange.answered.is_none() {
                true => {
                    // The last step of the handshake is carried by the prover.
                    let is_doubtful = !round.rtt.is_zero() && round.may_be_late(exchange);
                    finding.failed(is_doubtful, round.evidence_of(exchange));
                }
                false => finding.kept(),
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "every connection that was established was served",
            match self.continuous {
                false => {
                    "connections were established, then ended unserved, or attempts got no answer at all"
                }
                true => "connections were ended unserved, or refused, which --continuous counts too",
            },
            match self.is_asked {
                true => Untried::missed("no connection was made around the signal"),
                false => Untried::unasked("give --get PATH to test it"),
            },
        )
    }
}
