//! `idle-exits`: idle, half-open and slow-loris connections hold nobody hostage.
//!
//! In the round with idle peers the target must be gone 5 s after the last real work (the last response, the
//! listener closing, or the signal, whichever came last), and within its grace.

use std::time::Duration;

use crate::ledger::{Ledger, RoundKind};
use crate::verdict::{Finding, Verdict};

const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.of(RoundKind::Idle) {
        let last_response = round
            .since_signal()
            .filter(|exchange| exchange.ending.is_answered())
            .map(|exchange| exchange.ended);
        let work_over = last_response
            .chain(round.first_refusal())
            .chain([round.signalled()])
            .max()
            .unwrap_or(round.signalled());
        let lingered = round.exit.at.saturating_duration_since(work_over);
        if lingered > LIMIT || round.exit.killed || round.signal_to_exit() >= ledger.grace {
            let what = match round.exit.killed {
                true => format!(
                    "still there {:.1} s after the last real work, and had to be killed",
                    lingered.as_secs_f64()
                ),
                false => format!(
                    "ended {:.1} s after the last real work",
                    lingered.as_secs_f64()
                ),
            };
            finding.broken(round.evidence(
                round.exit.at,
                "target, with idle, half-open and slow-loris peers",
                what,
            ));
        } else {
            finding.kept();
        }
    }
    finding.verdict(
        "idle, half-open and slow-loris peers held nobody hostage",
        "peers without work kept the target from ending within 5 s of its last real work",
        "give --idle N (N above 0) to test it",
    )
}
