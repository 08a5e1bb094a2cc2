//! `lameduck check`: settings from file and flags, a run, its report.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lameduck_check::{Settings, report};

use crate::args::CheckArgs;
use crate::output_file::OutputFile;
use crate::progress::Progress;
use crate::{explain, run, screen};

/// Settings in the current folder; flags win.
const FILE: &str = "lameduck-check.toml";

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    if let Some(name) = &args.explain {
        return explain::run(name);
    }
    let json = args.json.clone();
    let wants_timeline = args.timeline;
    let plan = args
        .settings
        .over(from_file(Path::new(FILE))?)
        .into_plan()?;
    // What cannot be written is told before the work and not after it.
    let json = json
        .map(|file| OutputFile::open("--json", file))
        .transpose()?;
    let progress = Progress::new();
    let ended = run::to_the_end(&plan, &progress);
    progress.finish();
    let Some(outcome) = ended? else {
        return Ok(run::interrupted());
    };
    let look = screen::look();
    if wants_timeline && let Some(round) = outcome.trace.load_rounds().next() {
        println!("{}", report::timeline(&outcome.terms, round, &[], look));
    }
    print!("{}", report::table(&outcome, look));
    // After the table: that comes out whatever becomes of a file.
    if let Some(file) = json {
        file.write(&report::json(&outcome)?)?;
    }
    Ok(run::exit_code(&outcome))
}

fn from_file(path: &Path) -> Result<Settings> {
    match std::fs::read_to_string(path) {
        Ok(text) => Settings::from_toml(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
