//! `live-holds`: liveness stays good until the listener is gone.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Round, Terms};
use crate::verdict::{Finding, Untried, Verdict};

/// A process closes its sockets a moment before its end can be seen.
const TOLERANCE: Duration = Duration::from_millis(20);

pub(super) struct LiveHolds {
    is_asked: bool,
    /// Whether liveness is asked where the target serves.
    is_served: bool,
}

impl LiveHolds {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            is_asked: false,
            is_served: terms.live_is_served,
        })
    }
}

impl Promise for LiveHolds {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= !round.liveness.is_empty();
        let signal = round.signalled();
        // Where liveness is asked at the listener itself, a refusal is the end of that.
        let own = round
            .liveness
            .iter()
            .find(|sample| self.is_served && sample.refused && sample.asked >= signal);
        let closed = round.closed_at();
        let until = own.map_or(closed, |sample| sample.asked.min(closed)) - TOLERANCE;
        for sample in round
            .liveness
            .iter()
            .filter(|sample| sample.asked >= signal && sample.answered < until)
        {
            let (what, is_doubtful) = match &sample.status {
                Ok(200) => {
                    finding.kept();
                    continue;
                }
                Ok(status) => (format!("status {status}"), false),
                // It may be the prover itself that held the look up.
                Err(what) => {
                    let stood_still = round.stood_still_within(sample.asked, sample.answered);
                    (what.clone(), stood_still)
                }
            };
            let evidence = round.evidence(sample.answered, "liveness probe", what);
            finding.failed(is_doubtful, evidence);
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "liveness stayed good until the listener was gone",
            "liveness failed while the target still served: an orchestrator would kill it",
            match self.is_asked {
                true => Untried::missed(
                    "no look at liveness fell between the signal and the listener closing",
                ),
                false => Untried::unasked("give --live URL to test it"),
            },
        )
    }
}
