//! `ready-flips`: readiness fails at once on the signal, before anything is refused.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Ending, Round};
use crate::load::probe;
use crate::verdict::{Finding, Untried, Verdict};

/// "At once": an orchestrator looks no more often than each second.
const AT_ONCE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct ReadyFlips {
    is_asked: bool,
}

impl Promise for ReadyFlips {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        if round.readiness.is_empty() {
            return;
        }
        self.is_asked = true;
        let mut before = round.readiness.iter();
        // What was never good cannot fail.
        if !before.any(|it| it.is_good() && it.asked <= round.signalled()) {
            return;
        }
        let tolerance = probe::INTERVAL * 2 + round.rtt;
        let signal = round.signalled();
        let flipped = round
            .readiness
            .iter()
            // One that was asked before, and failed after it, has failed.
            .find(|sample| sample.answered >= signal && !sample.is_good());
        // A target that is gone is not ready either.
        let flipped_at = flipped.map_or(round.exit.at, |sample| sample.asked.max(signal));
        let turned_away = first_turned_away(round);
        let late = round.readiness.iter().find(|sample| {
            sample.is_good()
                && turned_away.is_some_and(|refusal| sample.asked > refusal + tolerance)
        });
        if flipped_at > signal + AT_ONCE {
            let what = format!("readiness was still good {AT_ONCE:?} after the signal");
            let evidence = round.evidence(flipped_at, "readiness probe", what);
            finding.failed(round.may_be_in_time(signal, flipped_at, AT_ONCE), evidence);
        } else if let (Some(sample), Some(refusal)) = (late, turned_away) {
            let what = format!(
                "readiness was still good, while a connection begun at {:+.1} ms was not served",
                round.at_ms(refusal)
            );
            let evidence = round.evidence(sample.asked, "readiness probe", what);
            finding.failed(
                round.may_be_in_time(refusal, sample.asked, tolerance),
                evidence,
            );
        } else {
            finding.kept();
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "readiness failed at once, before anything was refused",
            "readiness stayed good while the target was already leaving",
            match self.is_asked {
                true => Untried::missed("readiness was never good under load before the signal"),
                false => Untried::unasked("give --ready URL to test it"),
            },
        )
    }
}

/// When the first connection began that was refused, or lost unserved, after the signal.
fn first_turned_away(round: &Round) -> Option<std::time::Instant> {
    let unserved = round.since_signal().filter(|exchange| {
        !exchange.reused
            && exchange.began >= round.signalled()
            && matches!(
                exchange.ending,
                Ending::ResetBeforeResponse | Ending::EofBeforeResponse
            )
    });
    unserved
        .map(|exchange| exchange.began)
        .chain(round.first_refusal())
        .min()
}
