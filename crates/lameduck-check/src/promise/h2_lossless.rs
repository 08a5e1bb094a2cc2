//! `h2-lossless`: HTTP/2: no stream is lost. Streams that the target sent back unprocessed are no loss.
//!
//! Tried too by connections on which no more than their preface had come at the signal, or half of it: a server may end those,
//! but not once a stream has come. And by streams of which half of the body had come.

use super::Promise;
use crate::ledger::{Ending, Lane, Round};
use crate::verdict::{Finding, Untried, Verdict};

const LOADS: &[Lane] = &[Lane::H2, Lane::H2Preface, Lane::H2HalfBody];

#[derive(Default)]
pub(super) struct H2Lossless {
    is_asked: bool,
}

impl Promise for H2Lossless {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(LOADS);
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
        let held = || round.since_signal().filter(|it| round.was_held(it));
        for first in held().filter(|it| it.lane == Lane::H2Preface) {
            match first.ending.is_lost() {
                // The end of the connection and the stream crossed each other.
                true if !round.was_whole_before_the_end(first) => {}
                true => finding.failed(
                    round.may_be_late(first),
                    round.evidence_where_it_stood(first),
                ),
                false if first.ending.is_answered() => finding.kept(),
                // Sent back, or told in time.
                false => {}
            }
        }
        for stream in held().filter(|it| it.lane == Lane::H2HalfBody) {
            match stream.ending {
                Ending::Unprocessed => {}
                Ending::Ok | Ending::OkClose => finding.kept(),
                _ => finding.broken(round.evidence_where_it_stood(stream)),
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
