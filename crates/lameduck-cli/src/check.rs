//! `lameduck check`: settings from file and flags, a run, its report.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use lameduck_check::report::{self, CheckReport, FailedRun, RoundReport};
use lameduck_check::{Plan, Settings};

use crate::args::CheckArgs;
use crate::outputs::Outputs;
use crate::progress::Progress;
use crate::round_log::RoundLog;
use crate::run::{self, RunEnd};
use crate::{UNUSABLE, explain, from, init, screen};

/// Settings in the current folder; flags win.
const FILE: &str = "lameduck-check.toml";

/// How far a check came before it ended, for when it ends without a verdict.
#[derive(Default)]
struct CheckStage {
    plan: Option<Plan>,
    rounds: Vec<RoundReport>,
}

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    if let Some(name) = &args.explain {
        return explain::run(name);
    }
    if let Some(url) = &args.init {
        return init::run(url, args.settings, Path::new(FILE));
    }
    let began = Instant::now();
    let wants_timeline = args.timeline;
    let (outputs, opened) = Outputs::open(args.json, args.html, args.junit);
    if let Some(path) = &args.from {
        opened?;
        return from::run(path, outputs);
    }
    let mut reached = CheckStage::default();
    // What cannot be written is told before the work and not after it.
    let ended = opened.and_then(|()| checked(args.settings, &mut reached));
    let (error, exit_code) = match ended {
        Ok(RunEnd::Whole(outcome)) => {
            let report = CheckReport::of(&outcome);
            let look = screen::look();
            if wants_timeline && let Some(round) = outcome.trace.load_rounds().next() {
                let timeline = report::timeline(&outcome.terms, round, &[], look);
                screen::show(&format!("{timeline}\n"));
            }
            screen::show(&report::table(&report, look));
            // After the table: that comes out whatever becomes of a file.
            outputs.write(&report)?;
            return Ok(run::exit_code(&outcome));
        }
        Ok(RunEnd::Interrupted(number)) => (None, run::interrupted(number)),
        Err(error) => (Some(error), UNUSABLE),
    };
    let why = match &error {
        Some(error) => format!("{error:#}"),
        None => "interrupted".to_owned(),
    };
    let failure = FailedRun::new(why, exit_code, reached.plan.as_ref(), began.elapsed());
    let written = outputs.write_failure(&failure.after(reached.rounds));
    match error {
        None => written.map(|()| ExitCode::from(exit_code)),
        // The first error is the one to mend.
        Some(error) => {
            if let Err(further) = written {
                let _ = writeln!(std::io::stderr(), "error: {further:#}");
            }
            Err(error)
        }
    }
}

/// Runs what was set.
fn checked(settings: Settings, reached: &mut CheckStage) -> Result<RunEnd> {
    let plan = settings.over(from_file(Path::new(FILE))?).into_plan()?;
    let plan = reached.plan.insert(plan);
    let progress = Progress::new();
    let log = RoundLog::before(&progress);
    let ended = run::to_the_end(plan, &log);
    reached.rounds = log.into_rounds();
    progress.finish();
    ended
}

fn from_file(path: &Path) -> Result<Settings> {
    match std::fs::read_to_string(path) {
        Ok(text) => Settings::from_toml(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
