//! `lameduck check`: settings from file and flags, a run, its report.

use std::io::{ErrorKind, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lameduck_check::{Settings, report};

use crate::args::CheckArgs;
use crate::progress::Progress;

/// Settings in the current folder; flags win.
const FILE: &str = "lameduck-check.toml";
/// As a shell reports a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let json = args.json.clone();
    let plan = args
        .into_settings()
        .over(from_file(Path::new(FILE))?)
        .into_plan()?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the prover's runtime")?;
    let progress = Progress::new();
    let ended = runtime.block_on(async {
        tokio::select! {
            outcome = lameduck_check::run(&plan, &progress) => Some(outcome),
            // Dropping the run kills the target.
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    progress.finish();
    let Some(outcome) = ended else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let outcome = outcome?;
    if let Some(file) = json {
        let text = report::json(&outcome)?;
        std::fs::write(&file, text)
            .with_context(|| format!("cannot write --json {}", file.display()))?;
    }
    print!("{}", report::table(&outcome, look()));
    Ok(if outcome.all_kept() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn from_file(path: &Path) -> Result<Settings> {
    match std::fs::read_to_string(path) {
        Ok(text) => Settings::from_toml(&text).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settings::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn look() -> report::Look {
    let is_terminal = std::io::stdout().is_terminal();
    let has_color =
        is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let width = match is_terminal {
        true => terminal_size::terminal_size().map_or(report::Look::PLAIN.width, |(width, _)| {
            width.0.clamp(60, 140)
        }),
        false => report::Look::PLAIN.width,
    };
    report::Look {
        width,
        color: has_color,
    }
}
