//! `exits-zero`: exit 0 when nothing was let go. Tried by every round in which all work could end.

use crate::ledger::{Ledger, RoundKind};
use crate::verdict::{Finding, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let rounds = ledger.of(RoundKind::Load).chain(ledger.of(RoundKind::Idle));
    // A target past its grace ends because its clients were sent away, or is killed: `within-grace` tells of it.
    for round in rounds.filter(|round| round.signal_to_exit() < ledger.grace) {
        match round.exit.code {
            Some(0) => finding.kept(),
            _ => finding.broken(round.evidence(round.exit.at, "target", round.exit.describe())),
        }
    }
    finding.verdict(
        "exit 0 each time",
        "the exit status was not 0 although all work could end",
        "the target never ended by itself within its grace",
    )
}
