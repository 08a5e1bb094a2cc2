//! `idle-exits`: idle, half-open and slow-loris connections hold nobody hostage.
//!
//! In the round with idle peers the target must be gone 8 s after the last real work: the last response, the
//! listener closing, or the signal, whichever came last. Past its grace, 1 s is enough to tell that it waits for
//! them. One whose real work never ends is not held by idle peers; `within-grace` tells of it.

use std::time::{Duration, Instant};

use super::Promise;
use crate::ledger::{Lane, Round, RoundKind, Terms};
use crate::verdict::{Finding, Untried, Verdict};

/// Some have a timer of 5 s of their own (Go's net/http): what is as long as that is told, and not a toss of a coin.
const LIMIT: Duration = Duration::from_secs(8);
const LIMIT_PAST_GRACE: Duration = Duration::from_secs(1);
/// Whose connection is open for so long after the last real work is who it waits for.
const HOSTAGE: Duration = Duration::from_millis(900);

pub(super) struct IdleExits {
    grace: Duration,
    is_asked: bool,
    longest: Duration,
}

impl IdleExits {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            grace: terms.grace,
            is_asked: false,
            longest: Duration::ZERO,
        })
    }
}

impl Promise for IdleExits {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        kind == RoundKind::Idle
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked = true;
        let last_response = round
            .since_signal()
            .filter(|exchange| exchange.ending.is_answered())
            .map(|exchange| exchange.ended);
        let work_over = last_response
            .chain(round.first_refusal())
            .chain([round.signalled()])
            .max()
            .unwrap_or(round.signalled());
        // Who still works past its grace does so for the prover, until that sends its clients away.
        if work_over >= round.signalled() + self.grace {
            return;
        }
        let lingered = round.exit.at.saturating_duration_since(work_over);
        self.longest = self.longest.max(lingered);
        let is_late = round.signal_to_exit() >= self.grace;
        let limit = if is_late { LIMIT_PAST_GRACE } else { LIMIT };
        if lingered > limit {
            let end = match round.exit.killed {
                true => "had to be killed",
                false => "ended",
            };
            let what = format!(
                "{end} {:.1} s after the last real work, with {}",
                lingered.as_secs_f64(),
                held_by(round, work_over + HOSTAGE)
            );
            let evidence = round.evidence(round.exit.at, "target", what);
            finding.failed(
                round.may_be_in_time(work_over, round.exit.at, limit),
                evidence,
            );
        } else if !is_late {
            finding.kept();
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
        format!(
            "idle, half-open and slow-loris peers held nobody hostage: gone {:.1} s after the last real work, of {} s",
            self.longest.as_secs_f64(),
            LIMIT.as_secs()
        ),
        "peers without work kept the target from ending within 8 s of its last real work",
        match self.is_asked {
            true => Untried::missed(
                "real work went on past the grace, so nothing can be said of idle peers",
            ),
            false => Untried::unasked("give --idle N (N above 0) to test it"),
        },
    )
    }
}

/// The peers whose connections were still open at a moment, in words.
fn held_by(round: &Round, moment: Instant) -> String {
    let held = |lane| {
        round
            .connections
            .iter()
            .filter(|held| held.lane == lane && held.ended > moment)
            .count()
    };
    let peers: Vec<String> = [Lane::Idle, Lane::Loris]
        .map(|lane| (held(lane), lane))
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, lane)| format!("{count} {lane} connections open"))
        .collect();
    match peers.is_empty() {
        true => "no peer's connection open".to_owned(),
        false => peers.join(" and "),
    }
}
