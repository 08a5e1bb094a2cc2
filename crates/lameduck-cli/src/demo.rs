//! `lameduck demo`: the reference service under load, stopped, accounted for and shown.

mod plan;
mod reports;
mod show;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::demo::reports::Reports;
use crate::progress::Progress;
use crate::run::{self, RunEnd};

pub(crate) fn run() -> Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("lameduck-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    let report = folder.path().join("report.json");
    let plan = plan::plan(folder.path(), &report)?;
    show::opening(&plan);
    let reports = Reports::new(report, Progress::new());
    let ended = run::to_the_end(&plan, &reports);
    reports.progress().finish();
    let mut outcome = match ended? {
        RunEnd::Whole(outcome) => outcome,
        RunEnd::Interrupted(number) => return Ok(ExitCode::from(run::interrupted(number))),
    };
    outcome.target = plan::named_briefly(&plan);
    show::outcome(&outcome, &reports, &plan.url.authority);
    Ok(run::exit_code(&outcome))
}
