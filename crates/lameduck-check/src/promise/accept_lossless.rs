//! `accept-lossless`: no established connection is reset unserved.

use std::time::Duration;

use crate::ledger::{Ending, Lane, Ledger};
use crate::verdict::{Finding, Verdict};

/// A fresh connection whose request was sent longer than this before the signal was in flight, not waiting to be
/// accepted; `inflight-completes` is about those.
const QUEUED: Duration = Duration::from_millis(50);

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.load_rounds() {
        let queued = round
            .signalled()
            .checked_sub(QUEUED + ledger.rtt)
            .unwrap_or(round.signalled());
        let fresh = round.since_signal().filter(|exchange| {
            matches!(
                exchange.lane,
                Lane::KeepAlive | Lane::PerRequest | Lane::Slow
            ) && !exchange.reused
                && exchange.written.is_some_and(|written| written >= queued)
        });
        for exchange in fresh {
            match exchange.ending {
                Ending::ResetBeforeResponse | Ending::EofBeforeResponse => {
                    finding.broken(round.evidence_of(exchange))
                }
                _ => finding.kept(),
            }
        }
    }
    finding.verdict(
        "every connection that was established was served",
        "connections were established, then ended unserved",
        "no connection was made around the signal: give --get PATH to test it",
    )
}
