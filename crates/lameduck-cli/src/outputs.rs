//! The files that a check leaves: JSON, a page, JUnit.
//!
//! # What must hold
//! - Each file is tried before the run, and each is written whatever becomes of the others.
//! - However a check ends, what was asked for is written: a report, or why there is none.

use std::path::PathBuf;

use anyhow::{Error, Result, anyhow};
use lameduck_check::report::{self, CheckReport, FailedRun};

use crate::output_file::OutputFile;

/// The files that were asked for.
#[derive(Default)]
pub(crate) struct Outputs {
    json: Option<OutputFile>,
    html: Option<OutputFile>,
    junit: Option<OutputFile>,
}

impl Outputs {
    /// Opens the files, as far as they can be opened, and says which cannot.
    pub(crate) fn open(
        json: Option<PathBuf>,
        html: Option<PathBuf>,
        junit: Option<PathBuf>,
    ) -> (Self, Result<()>) {
        let mut errors = Vec::new();
        let mut open = |flag, path: Option<PathBuf>| {
            let opened = path.map(|path| OutputFile::open(flag, path)).transpose();
            opened.unwrap_or_else(|error| {
                errors.push(error);
                None
            })
        };
        let outputs = Self {
            json: open("--json", json),
            html: open("--html", html),
            junit: open("--junit", junit),
        };
        (outputs, all_of(errors))
    }

    pub(crate) fn write(self, report: &CheckReport) -> Result<()> {
        let written = [
            write(self.json, || Ok(report::json(report)?)),
            write(self.html, || Ok(report::html(report)?)),
            write(self.junit, || Ok(report::junit(report)?)),
        ];
        all_of(written.into_iter().filter_map(Result::err).collect())
    }

    /// Says why there is no report. There is no page of that.
    pub(crate) fn write_failure(self, failure: &FailedRun) -> Result<()> {
        let written = [
            write(self.json, || Ok(report::json_of_failure(failure)?)),
            write(self.junit, || Ok(report::junit_of_failure(failure)?)),
        ];
        all_of(written.into_iter().filter_map(Result::err).collect())
    }
}

fn write(file: Option<OutputFile>, text: impl FnOnce() -> Result<String>) -> Result<()> {
    match file {
        Some(file) => file.write(&text()?),
        None => Ok(()),
    }
}

/// One error that says all of these; none if there are none.
fn all_of(mut errors: Vec<Error>) -> Result<()> {
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => {
            let all: Vec<String> = errors.iter().map(|error| format!("{error:#}")).collect();
            Err(anyhow!("{}", all.join("; ")))
        }
    }
}
