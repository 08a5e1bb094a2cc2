//! A run of the prover that Ctrl-C may end, and the exit code it earns.

use std::process::ExitCode;

use anyhow::{Context, Result};
use lameduck_check::{Observer, Outcome, Plan};

/// As a shell reports a program that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Runs the plan. `None` when Ctrl-C ended it.
pub(crate) fn to_the_end(plan: &Plan, observer: &dyn Observer) -> Result<Option<Outcome>> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the prover's runtime")?;
    runtime.block_on(async {
        tokio::select! {
            outcome = lameduck_check::run(plan, observer) => Ok(Some(outcome?)),
            // Dropping the run kills the target.
            _ = tokio::signal::ctrl_c() => Ok(None),
        }
    })
}

pub(crate) fn interrupted() -> ExitCode {
    ExitCode::from(INTERRUPTED)
}

pub(crate) fn exit_code(outcome: &Outcome) -> ExitCode {
    ExitCode::from(outcome.ruling().exit_code())
}
