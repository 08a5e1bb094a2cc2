//! `upload-completes`: a body half sent at the signal is read to its end and answered; so is one of which no more than the
//! head was sent. What a saturated target may never have accepted is for `accept-lossless`.

use super::Promise;
use crate::ledger::{Backlog, Ending, Lane, Round};
use crate::verdict::{Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct UploadCompletes {
    is_asked: bool,
}

impl Promise for UploadCompletes {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(&[Lane::Upload, Lane::HeadSent]);
        let backlog = Backlog::of(round);
        for upload in round
            .since_signal()
            .filter(|exchange| exchange.lane.is_upload())
        {
            match upload.ending {
                Ending::Refused | Ending::Unanswered => {}
                Ending::Ok | Ending::OkClose if matches!(upload.status, Some(200..=299)) => {
                    finding.kept()
                }
                _ if backlog.may_have_held(upload) => {}
                _ => finding.broken(round.evidence_of(upload)),
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "every body half sent at the signal was read to its end and answered",
            "bodies half sent at the signal were not answered with success",
            match self.is_asked {
                true => Untried::missed("no upload was under way at the signal"),
                false => Untried::unasked("give --upload PATH to test it"),
            },
        )
    }
}
