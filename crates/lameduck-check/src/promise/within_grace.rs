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
            finding.broken(round.evidence(
                round.exit.at,
                format!("target, round: {}", round.kind),
                round.exit.describe(),
            ));
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
