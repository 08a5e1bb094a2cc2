//! A run that came to no verdict, as a report: what was going to be tested, and why it was not.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::check_report::moment;
use super::round_report::{RoundReport, millis};
use crate::plan::Plan;

/// A run that came to no verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedRun {
    /// What went wrong.
    pub error: String,
    /// The exit code of `lameduck check`.
    pub exit_code: u8,
    /// The command that was to be tested; `None` where not even that is known.
    pub target: Option<String>,
    /// The signal that was to be sent.
    pub signal: Option<String>,
    /// What the target was to have from the signal to its end.
    pub grace_ms: Option<f64>,
    /// The prover's version.
    pub version: String,
    /// When the run was over, as RFC 3339 has it, in UTC.
    pub made_at: String,
    /// How long it took until then.
    pub took_ms: f64,
    /// The starts and stops that had come to their end.
    pub all_rounds: Vec<RoundReport>,
}

impl FailedRun {
    /// What is known of a run that ended with this error, after so long. Without a plan it never began.
    pub fn new(error: String, exit_code: u8, plan: Option<&Plan>, took: Duration) -> Self {
        Self {
            error,
            exit_code,
            target: plan.map(|plan| plan.command.join(" ")),
            signal: plan.map(|plan| plan.signal.to_string()),
            grace_ms: plan.map(|plan| millis(plan.grace)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: moment(SystemTime::now()),
            took_ms: millis(took),
            all_rounds: Vec::new(),
        }
    }

    /// With the rounds that had come to their end.
    #[must_use]
    pub fn after(self, all_rounds: Vec<RoundReport>) -> Self {
        Self { all_rounds, ..self }
    }
}
