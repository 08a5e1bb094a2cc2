//! The outcome as JSON, for machines.

use serde::Serialize;

use super::table::remarks;
use crate::ledger::Tally;
use crate::run::Outcome;
use crate::verdict::{Shutdowns, Verdict};

#[derive(Serialize)]
struct Report<'a> {
    target: &'a str,
    rounds: u32,
    seed: u64,
    /// Of the first round: `check` has one for all.
    rtt_ms: f64,
    /// Of all rounds, in order.
    rtts_ms: Vec<f64>,
    /// The shutdowns under load, and those in which a client lost something.
    losses: Shutdowns,
    /// Why the run ended before its last round, if it did.
    cut_short: Option<&'a str>,
    promises: &'a [Verdict],
    /// What the verdicts come to: the exit code of `lameduck check`.
    exit_code: u8,
    /// What makes these figures worth less than they seem, in words.
    remarks: Vec<String>,
    outcomes: Tally,
    /// Of the rounds under load, as is `exit`.
    signal_to_exit_ms: Vec<f64>,
    exit: Vec<i32>,
}

/// The outcome as one JSON object, indented, with a line break at its end.
///
/// # Errors
/// None that an outcome of [`run`](crate::run()) can cause; the serializer's, if it ever has one.
pub fn json(outcome: &Outcome) -> Result<String, serde_json::Error> {
    let ms = |duration: std::time::Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
    let report = Report {
        target: &outcome.target,
        rounds: outcome.rounds,
        seed: outcome.seed,
        rtt_ms: ms(outcome.trace.rtts().first().copied().unwrap_or_default()),
        rtts_ms: outcome.trace.rtts().into_iter().map(ms).collect(),
        losses: outcome.losses(),
        cut_short: outcome.cut_short.as_deref(),
        promises: &outcome.verdicts,
        exit_code: outcome.ruling().exit_code(),
        remarks: remarks(&outcome.trace),
        outcomes: outcome.tally,
        signal_to_exit_ms: outcome
            .trace
            .load_rounds()
            .map(|round| ms(round.signal_to_exit()))
            .collect(),
        exit: outcome
            .trace
            .load_rounds()
            .map(|round| round.exit.shell_code())
            .collect(),
    };
    let mut text = serde_json::to_string_pretty(&report)?;
    text.push('\n');
    Ok(text)
}
