//! `lameduck check --from`: an earlier report once more, from its JSON, in other forms.
//!
//! # What must hold
//! - Nothing is run, and nothing is judged anew: what comes out is what came out then, with the exit code of then.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lameduck_check::report::{self, EarlierRun};

use crate::outputs::Outputs;
use crate::screen;

/// Renders what an earlier `--json` had written to this file.
///
/// # Errors
/// When it cannot be read, or is no such file; or when a file cannot be written.
pub(crate) fn run(path: &Path, outputs: Outputs) -> Result<ExitCode> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read --from {}", path.display()))?;
    let earlier = EarlierRun::from_json(&text).with_context(|| {
        format!(
            "--from {}: expected what `lameduck check --json FILE` writes",
            path.display()
        )
    })?;
    match earlier {
        EarlierRun::Judged(report) => {
            screen::show(&report::table(&report, screen::look()));
            outputs.write(&report)?;
            Ok(ExitCode::from(report.exit_code))
        }
        EarlierRun::Failed(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {}", failure.error);
            outputs.write_failure(&failure)?;
            Ok(ExitCode::from(failure.exit_code))
        }
    }
}
