//! `close-announced`: HTTP/1.1 responses during the shutdown say `Connection: close`.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Ending, Round};
use crate::verdict::{Finding, Untried, Verdict};

/// What the target has to notice the signal, beside the way there: servers look at their clock each 100 ms (uvicorn).
const NOTICE: Duration = Duration::from_millis(150);

/// Until then a target on a busy machine may not have got round to it, in milliseconds after the signal.
const BUSY_MS: f64 = 500.0;

#[derive(Default)]
pub(super) struct CloseAnnounced {
    is_asked: bool,
}

impl Promise for CloseAnnounced {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= !round.exchanges.is_empty();
        let noticed = round.signalled() + NOTICE + round.rtt;
        for exchange in round.since_signal() {
            let was_late = exchange.lane.is_http1()
                && exchange.written.is_some_and(|written| written > noticed);
            match exchange.ending {
                Ending::OkClose if was_late => finding.kept(),
                Ending::Ok if was_late => {
                    // Whoever kept the prover waiting may have kept the target waiting too.
                    let is_doubtful = round.at_ms(exchange.ended) < BUSY_MS
                        && round.stood_still_within(round.signalled(), exchange.ended);
                    finding.failed(is_doubtful, round.evidence_of(exchange));
                }
                _ => {}
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "responses during the shutdown said Connection: close",
            "responses late in the shutdown did not say Connection: close",
            match self.is_asked {
                true => {
                    Untried::missed("no request sent 150 ms or more after the signal was answered")
                }
                false => Untried::unasked("give --get PATH to test it"),
            },
        )
    }
}
