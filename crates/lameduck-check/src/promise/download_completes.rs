//! `download-completes`: a response half sent at the signal reaches its end.

use super::Promise;
use crate::ledger::{Ending, Lane, Round};
use crate::verdict::{Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct DownloadCompletes {
    is_asked: bool,
}

impl Promise for DownloadCompletes {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        for download in round
            .exchanges
            .iter()
            .filter(|exchange| exchange.lane == Lane::Download)
        {
            self.is_asked = true;
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

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
        "every response half read at the signal reached its end",
        "responses half read at the signal were cut",
        match self.is_asked {
            true => Untried::missed("no response was half read at the signal: give --stream a path whose response takes a second or so"),
            false => Untried::unasked("give --stream PATH to test it"),
        },
    )
    }
}
