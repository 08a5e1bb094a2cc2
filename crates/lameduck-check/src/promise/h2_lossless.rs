//! `h2-lossless`: HTTP/2: no stream is lost. Streams that the target sent back unprocessed are no loss.

use crate::ledger::{Ending, Lane, Ledger};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.load_rounds() {
        finding.of(round);
        for stream in round
            .since_signal()
            .filter(|exchange| exchange.lane == Lane::H2)
        {
            match stream.ending {
                Ending::Refused | Ending::Unanswered | Ending::Unprocessed => {}
                Ending::Ok | Ending::OkClose => finding.kept(),
                Ending::Status5xx if round.is_honest_refusal(stream) => {}
                _ => finding.failed(round.may_be_late(stream), round.evidence_of(stream)),
            }
        }
    }
    finding.verdict(
        "every stream was answered, or sent back unprocessed",
        "streams were neither answered nor sent back as unprocessed",
        match ledger.has_load(&[Lane::H2]) {
            true => Untried::missed("no stream ended after the signal"),
            false => Untried::unasked("give --h2, with --get PATH, to test it"),
        },
    )
}
