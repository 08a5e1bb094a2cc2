//! `idle-exits`: idle, half-open and slow-loris connections hold nobody hostage.
//!
//! In the round with idle peers the target must be gone 5 s after the last real work (the last response, the
//! listener closing, or the signal, whichever came last), and within its grace.

use std::time::{Duration, Instant};

use crate::ledger::{Lane, Ledger, Round, RoundKind};
use crate::verdict::{Finding, Verdict};

const LIMIT: Duration = Duration::from_secs(5);
/// Whose connection is open for so long after the last real work is who it waits for.
const HOSTAGE: Duration = Duration::from_secs(4);

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
            let end = match round.exit.killed {
                true => "had to be killed",
                false => "ended",
            };
            let what = format!(
                "{end} {:.1} s after the last real work, with {}",
                lingered.as_secs_f64(),
                held_by(round, work_over + HOSTAGE)
            );
            finding.broken(round.evidence(round.exit.at, "target", what));
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

/// The peers whose connections were still open at a moment, in words.
fn held_by(round: &Round, moment: Instant) -> String {
    let held = |lane| {
        round
            .connections
            .iter()
            .filter(|held| held.lane == lane && held.ended > moment)
            .count()
    };
    let peers: Vec<String> = [Lane::Idle, Lane::Loris]
        .map(|lane| (held(lane), lane))
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, lane)| format!("{count} {lane} connections open"))
        .collect();
    match peers.is_empty() {
        true => "no peer's connection open".to_owned(),
        false => peers.join(" and "),
    }
}
