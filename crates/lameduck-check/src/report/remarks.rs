//! What makes figures worth less than they seem.

use std::collections::BTreeSet;

use crate::run::RunOutcome;
use crate::trace::RoundTrace;

pub(super) fn remarks(outcome: &RunOutcome) -> Vec<String> {
    let trace = &outcome.trace;
    let followed = trace
        .rounds
        .iter()
        .filter_map(|round| round.followed.as_ref());
    let mut remarks: Vec<String> = followed
        .map(|command| {
            format!(
                "the command went into the background: the signal was sent to what it left there, `{command}`"
            )
        })
        .collect();
    remarks.dedup();
    // Once, for it is the same each time.
    let unserved: BTreeSet<&str> = trace
        .load_rounds()
        .flat_map(|round| round.unserved.iter().map(String::as_str))
        .collect();
    if !unserved.is_empty() {
        let unserved: Vec<&str> = unserved.into_iter().collect();
        remarks.push(format!(
            "the name in --url has several addresses, and nobody listens on {}: it was tested at the others, and a \
             client that tries that first is refused",
            unserved.join(" and ")
        ));
    }
    for round in trace.shutdowns() {
        let number = round.number;
        let saturated = round.saturated.iter();
        remarks.extend(saturated.map(|what| format!("round {number}: {what}")));
        for (what, count) in &round.shortages {
            remarks.push(format!(
                "round {number}: the prover had {what}, {count} times"
            ));
        }
    }
    let grace = outcome.terms.grace;
    let was_left = |it: &&RoundTrace| it.exit.killed && it.signal_to_exit() < grace;
    match trace.load_rounds().filter(was_left).count() {
        0 => {}
        left => remarks.push(format!(
            "once it was known that the target outlives its grace it was not waited for that long again, in {left} \
             shutdowns under load: of what was open longer than its work took they say nothing"
        )),
    }
    if !outcome.left_out.is_empty() {
        let left_out = outcome.left_out.iter();
        let rounds: Vec<String> = left_out
            .map(|(kind, count)| format!("{count} × {kind}"))
            .collect();
        remarks.push(format!(
            "left out, because --budget had no time for it: {}",
            rounds.join(", ")
        ));
    }
    remarks
}
