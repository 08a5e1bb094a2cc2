//! Reports as JSON, for machines.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::check_report::CheckReport;
use super::failed_run::FailedRun;

/// The report as one JSON object, indented, with a line break at its end. Its pictures are in one line: they are numbers, of
/// which each would have a line of its own.
///
/// # Errors
/// None that a report of a [`run`](crate::run()) can cause; the serializer's, if it ever has one.
pub fn json(report: &CheckReport) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        report: &'a CheckReport,
        #[serde(skip_serializing_if = "Option::is_none")]
        pictures: Option<Box<RawValue>>,
    }
    let pictures = match &report.pictures[..] {
        [] => None,
        pictures => Some(to_raw_value(pictures)?),
    };
    indented(&Whole { report, pictures })
}

/// The same of a run that came to no verdict: an object with `error`.
///
/// # Errors
/// As [`json`].
pub fn json_of_failure(failure: &FailedRun) -> Result<String, serde_json::Error> {
    indented(failure)
}

/// What an earlier run has written as JSON.
#[derive(Clone, Debug)]
pub enum EarlierRun {
    /// It came to verdicts.
    Judged(Box<CheckReport>),
    /// It came to none.
    Failed(Box<FailedRun>),
}

impl EarlierRun {
    /// Reads what [`json`] or [`json_of_failure`] wrote.
    ///
    /// # Errors
    /// When it is something else, or of a version that had less in it.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind {
            error: Option<String>,
        }
        let kind: Kind = serde_json::from_str(text)?;
        Ok(match kind.error {
            Some(_) => Self::Failed(serde_json::from_str(text)?),
            None => Self::Judged(serde_json::from_str(text)?),
        })
    }
}

fn indented(report: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(report)?;
    text.push('\n');
    Ok(text)
}
