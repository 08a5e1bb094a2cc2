//! `startup-signal`: the signal during start-up ends the process cleanly.
//!
//! Exit 0 is clean, or what else is expected. So is the signal's own default effect: before a handler is installed nothing has started
//! that would need closing.

use super::Promise;
use crate::ledger::{Round, RoundKind, Terms};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) struct StartupSignal {
    terms: Terms,
    by_default: u32,
}

impl StartupSignal {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            terms: terms.clone(),
            by_default: 0,
        })
    }
}

impl Promise for StartupSignal {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        kind == RoundKind::Startup
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let terms = &self.terms;
        let exit = round.exit;
        let is_default = !exit.killed && exit.signal == Some(terms.signal.number());
        self.by_default += u32::from(is_default);
        let is_in_time = !exit.killed && round.signal_to_exit() < terms.grace;
        let is_expected = terms.expected_exits.contains(&exit.shell_code());
        if is_in_time && (exit.code == Some(0) || is_expected || is_default) {
            finding.kept();
        } else {
            let sent = round
                .signalled()
                .duration_since(round.started)
                .as_secs_f64()
                * 1e3;
            let place = format!("target, {} {sent:.1} ms after its start", terms.signal);
            finding.broken(round.evidence(exit.at, place, exit.describe()));
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let (trials, by_default) = (finding.trials(), self.by_default);
        finding.verdict(
        match by_default {
            0 => "a signal during start-up ended the target cleanly".to_owned(),
            _ => format!(
                "a signal during start-up ended the target; {by_default} of {trials} times by the signal itself, before any handler: nothing had started"
            ),
        },
        "a signal during start-up did not end the target cleanly",
        Untried::unasked("give --startup-rounds N (N above 0) to test it"),
    )
    }
}
