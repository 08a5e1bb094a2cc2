//! `download-completes`: a response half sent at the signal reaches its end.

use crate::ledger::{Ending, Lane, Ledger};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let mut is_tried = false;
    for round in ledger.load_rounds() {
        finding.of(round);
        for download in round
            .exchanges
            .iter()
            .filter(|exchange| exchange.lane == Lane::Download)
        {
            is_tried = true;
            // At the target the response began half a round trip before the client saw it.
            let had_begun = download
                .answered
                .is_some_and(|at| at <= round.signalled() + round.rtt / 2);
            if !had_begun || download.ended < round.signalled() {
                continue;
            }
            match download.ending {
                Ending::Ok | Ending::OkClose => finding.kept(),
                _ => finding.broken(round.evidence_of(download)),
            }
        }
    }
    finding.verdict(
        "every response half read at the signal reached its end",
        "responses half read at the signal were cut",
        match is_tried {
            true => Untried::missed("no response was half read at the signal: give --stream a path whose response takes a second or so"),
            false => Untried::unasked("give --stream PATH to test it"),
        },
    )
}
