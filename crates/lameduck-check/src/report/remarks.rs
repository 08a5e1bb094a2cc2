//! What makes figures worth less than they seem.

use crate::trace::RunTrace;

pub(super) fn remarks(trace: &RunTrace) -> Vec<String> {
    let mut remarks = Vec::new();
    for round in trace.load_rounds() {
        let number = round.number;
        let saturated = round.saturated.iter();
        remarks.extend(saturated.map(|what| format!("round {number}: {what}")));
        for (what, count) in &round.shortages {
            remarks.push(format!(
                "round {number}: the prover had {what}, {count} times"
            ));
        }
    }
    remarks
}
