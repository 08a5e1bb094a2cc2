//! `within-grace`: the process is gone before `grace`, whatever hangs. Tried by every round.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Round, RoundKind, Terms};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) struct WithinGrace {
    grace: Duration,
    longest: Duration,
}

impl WithinGrace {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            grace: terms.grace,
            longest: Duration::ZERO,
        })
    }
}

impl Promise for WithinGrace {
    fn is_tried_by(&self, _: RoundKind) -> bool {
        true
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        // One that was not waited for so long says nothing.
        if (round.exit.killed || round.exit.released) && round.signal_to_exit() < self.grace {
            return;
        }
        self.longest = self.longest.max(round.signal_to_exit());
        if round.exit.killed || round.exit.left || round.signal_to_exit() >= self.grace {
            let place = format!("target, round: {}", round.kind);
            let wrapper = round.tree.as_ref().and_then(|tree| tree.wrapper.as_deref());
            let what = match wrapper {
                Some(wrapper) => format!("{}: {wrapper}", round.exit.describe()),
                None => round.exit.describe(),
            };
            let evidence = round.evidence(round.exit.at, place, what);
            let is_doubtful = round.may_be_in_time(round.signalled(), round.exit.at, self.grace);
            finding.failed(is_doubtful, evidence);
        } else {
            finding.kept();
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let grace = humantime::format_duration(self.grace);
        finding.verdict(
            format!(
                "gone {:.2} s after the signal at the latest, of {grace}",
                self.longest.as_secs_f64()
            ),
            format!("the target outlived its grace of {grace}"),
            Untried::missed("no round was run"),
        )
    }
}
