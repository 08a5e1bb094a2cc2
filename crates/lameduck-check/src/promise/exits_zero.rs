//! `exits-zero`: exit 0 when nothing was let go. Tried by every round in which all work could end.

use crate::ledger::{Ledger, RoundKind};
use crate::verdict::{Finding, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let rounds = ledger.of(RoundKind::Load).chain(ledger.of(RoundKind::Idle));
    // One that had to be killed has no exit of its own; `within-grace` tells of it.
    for round in rounds.filter(|round| !round.exit.killed) {
        match round.exit.code {
            Some(0) => finding.kept(),
            _ => finding.broken(round.evidence(round.exit.at, "target", round.exit.describe())),
        }
    }
    finding.verdict(
        "exit 0 each time",
        "the exit status was not 0 although all work could end",
        "the target never ended by itself",
    )
}
