//! `h2-lossless`: HTTP/2: no stream is lost. Streams that the target sent back unprocessed are no loss.

use super::Promise;
use crate::ledger::{Ending, Lane, Round};
use crate::verdict::{Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct H2Lossless {
    is_asked: bool,
}

impl Promise for H2Lossless {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(&[Lane::H2]);
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

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "every stream was answered, or sent back unprocessed",
            "streams were neither answered nor sent back as unprocessed",
            match self.is_asked {
                true => Untried::missed("no stream ended after the signal"),
                false => Untried::unasked("give --h2, with --get PATH, to test it"),
            },
        )
    }
}
