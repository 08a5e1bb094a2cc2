//! The verdicts, for people and for machines.

mod check_report;
mod episode_report;
mod failed_run;
mod html;
mod json;
mod junit;
mod look;
mod remarks;
mod round_picture;
mod round_report;
mod scale;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod timeline;

pub use check_report::{CheckReport, LatencyFigures, PromiseReport};
pub use episode_report::EpisodeReport;
pub use failed_run::FailedRun;
pub use html::html;
pub use json::{EarlierRun, json, json_of_failure};
pub use junit::{junit, junit_of_failure};
pub use look::Look;
pub use round_picture::{RequestColumns, RoundPicture};
pub use round_report::RoundReport;
pub use table::table;
pub use timeline::{TimelinePhase, timeline};
