//! `within-grace`: the process is gone before `grace`, whatever hangs. Tried by every round.

use crate::ledger::Ledger;
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let mut longest = std::time::Duration::ZERO;
    for round in &ledger.rounds {
        finding.of(round);
        longest = longest.max(round.signal_to_exit());
        if round.exit.killed || round.signal_to_exit() >= ledger.grace {
            let place = format!("target, round: {}", round.kind);
            let evidence = round.evidence(round.exit.at, place, round.exit.describe());
            let is_doubtful = round.may_be_in_time(round.signalled(), round.exit.at, ledger.grace);
            finding.failed(is_doubtful, evidence);
        } else {
            finding.kept();
        }
    }
    let grace = humantime::format_duration(ledger.grace);
    finding.verdict(
        format!(
            "gone {:.2} s after the signal at the latest, of {grace}",
            longest.as_secs_f64()
        ),
        format!("the target outlived its grace of {grace}"),
        Untried::missed("no round was run"),
    )
}
