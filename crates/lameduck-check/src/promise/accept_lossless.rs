//! `accept-lossless`: no established connection is reset unserved.

use std::time::Duration;

use crate::ledger::{Ending, Lane, Ledger};
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

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.load_rounds() {
        finding.of(round);
        // One whose request was sent before was in flight: `inflight-completes` is about those.
        let queued = round.accepted_until();
        let fresh = round.since_signal().filter(|exchange| {
            FRESH.contains(&exchange.lane)
                && !exchange.reused
                && exchange.written.is_some_and(|written| written >= queued)
        });
        // A listener that is there and never accepts: its queue is full, and it says neither yes nor no.
        let unanswered = round.since_signal().filter(|exchange| {
            FRESH.contains(&exchange.lane)
                && exchange.ending == Ending::Unanswered
                && exchange.ended <= round.exit.at
        });
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
    finding.verdict(
        "every connection that was established was served",
        "connections were established, then ended unserved, or attempts got no answer at all",
        match ledger.has_load(FRESH) {
            true => Untried::missed("no connection was made around the signal"),
            false => Untried::unasked("give --get PATH to test it"),
        },
    )
}
