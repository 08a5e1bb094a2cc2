//! `upload-completes`: a body half sent at the signal is read to its end and answered.

use crate::ledger::{Ending, Lane, Ledger};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.load_rounds() {
        finding.of(round);
        for upload in round
            .since_signal()
            .filter(|exchange| exchange.lane == Lane::Upload)
        {
            match upload.ending {
                Ending::Refused | Ending::Unanswered => {}
                Ending::Ok | Ending::OkClose if matches!(upload.status, Some(200..=299)) => {
                    finding.kept()
                }
                _ => finding.broken(round.evidence_of(upload)),
            }
        }
    }
    finding.verdict(
        "every body half sent at the signal was read to its end and answered",
        "bodies half sent at the signal were not answered with success",
        match ledger.has_load(&[Lane::Upload]) {
            true => Untried::missed("no upload was under way at the signal"),
            false => Untried::unasked("give --upload PATH to test it"),
        },
    )
}
