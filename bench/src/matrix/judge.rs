//! Whether a run of the prover came to what a fault has to come to.
//!
//! # What must hold
//! - What is undecided is no verdict, and a server that was saturated proves nothing: where it is so at the last try, the run
//!   is not as it should be.
//! - A server without a fault is tried with all that it is asked about: nothing of that may be skipped.

use std::time::Duration;

use lameduck_check::{Judgement, RunOutcome, Verdict};

use super::fault::{At, Fault};

/// Whether the machine had time enough for a run: nothing is undecided, and the server was not saturated, which these are
/// not by what they are asked.
pub fn is_certain(outcome: &RunOutcome) -> bool {
    let mut verdicts = outcome.verdicts.iter();
    let is_decided = verdicts.all(|it| it.judgement != Judgement::Undecided);
    is_decided && saturated(outcome).next().is_none()
}

fn saturated(outcome: &RunOutcome) -> impl Iterator<Item = &String> {
    let rounds = outcome.trace.rounds.iter();
    rounds.filter_map(|round| round.saturated.as_ref())
}

/// Where the verdicts should have been others.
pub fn disagreements(fault: &Fault, rtt: Duration, outcome: &RunOutcome) -> Vec<String> {
    if !fault.unhealthy.is_empty() {
        return vec!["the run did not end before the signal".to_owned()];
    }
    let early = outcome.cut_short.iter();
    let early = early.map(|why| format!("the run ended early: {why}"));
    let verdicts = outcome.verdicts.iter();
    let wrong = verdicts.filter_map(|verdict| disagreement(fault, rtt, verdict));
    let busy = saturated(outcome).cloned();
    early.chain(wrong).chain(busy).collect()
}

fn disagreement(fault: &Fault, rtt: Duration, verdict: &Verdict) -> Option<String> {
    let at = fault.expected(verdict.name).map(|it| it.at);
    let must = at.is_some_and(|at| at == At::Anywhere || !rtt.is_zero());
    let has_to_be_tried = fault.breaks.is_empty() && verdict.asked;
    let (is_right, should) = match (must, at) {
        (true, _) => (verdict.judgement == Judgement::Broken, "broken"),
        (false, Some(_)) => (verdict.judgement != Judgement::Undecided, "decided"),
        (false, None) if has_to_be_tried => (verdict.judgement == Judgement::Kept, "kept"),
        (false, None) => (
            matches!(verdict.judgement, Judgement::Kept | Judgement::Skipped),
            "kept or skipped",
        ),
    };
    let first = verdict.evidence.first();
    let first = first.map(|it| format!(", first: {}: {}", it.r#where, it.what));
    (!is_right).then(|| {
        format!(
            "{} is {:?} and should be {should}: {}{}",
            verdict.name,
            verdict.judgement,
            verdict.why,
            first.unwrap_or_default()
        )
    })
}
