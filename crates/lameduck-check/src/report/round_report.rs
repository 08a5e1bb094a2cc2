//! One start and stop of the target, in figures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ledger::Round;
use crate::trace::RoundTrace;

/// One start and stop of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundReport {
    /// Its number in the whole run, from 1.
    pub number: u32,
    /// What it was for.
    pub kind: String,
    /// The round trip that lay between clients and target.
    pub rtt_ms: f64,
    /// From its start until it was ready; `None` when the signal came before.
    pub ready_ms: Option<f64>,
    /// From the first signal to the target's end.
    pub signal_to_exit_ms: f64,
    /// From the target's start to its end.
    pub took_ms: f64,
    /// As a shell shows it: the code, or 128 + the signal; `None` if nobody saw it.
    pub exit: Option<i32>,
    /// How it ended, in words.
    pub how: String,
    /// The prover had to kill it.
    pub killed: bool,
    /// It did not end before the prover had sent its clients away.
    pub released: bool,
    /// Requests, however they ended.
    pub requests: u64,
    /// Requests that were wholly written and got no whole response.
    pub lost: u64,
}

impl RoundReport {
    /// A round that is over.
    pub fn of(round: &Round) -> Self {
        Self::of_trace(&RoundTrace::of(round, false, false))
    }

    pub(super) fn of_trace(round: &RoundTrace) -> Self {
        Self {
            number: round.number,
            kind: round.kind.to_string(),
            rtt_ms: millis(round.rtt),
            ready_ms: round
                .ready_at
                .map(|at| millis(at.saturating_duration_since(round.started))),
            signal_to_exit_ms: millis(round.signal_to_exit()),
            took_ms: millis(round.exit.at.saturating_duration_since(round.started)),
            exit: round.exit.seen_code(),
            how: round.exit.describe(),
            killed: round.exit.killed,
            released: round.exit.released,
            requests: round.tally.requests(),
            lost: round.tally.lost(),
        }
    }
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
