//! Reports as JSON, for machines.

use serde::Serialize;

use super::check_report::CheckReport;
use super::failed_run::FailedRun;

/// The report as one JSON object, indented, with a line break at its end.
///
/// # Errors
/// None that a report of a [`run`](crate::run()) can cause; the serializer's, if it ever has one.
pub fn json(report: &CheckReport) -> Result<String, serde_json::Error> {
    indented(report)
}

/// The same of a run that came to no verdict: an object with `error`.
///
/// # Errors
/// As [`json`].
pub fn json_of_failure(failure: &FailedRun) -> Result<String, serde_json::Error> {
    indented(failure)
}

fn indented(report: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
