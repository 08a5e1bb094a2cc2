//! A run of the prover that a signal may end, and the exit code it earns.

use std::process::ExitCode;

use anyhow::{Context, Result};
use lameduck_check::{Observer, Plan, RunOutcome};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// What ends a run before its time: Ctrl-C, whoever stops a pipeline, a terminal that is closed.
const SIGNALS: [SignalKind; 3] = [
    SignalKind::interrupt(),
    SignalKind::terminate(),
    SignalKind::hangup(),
];

/// What came of a run.
pub(crate) enum RunEnd {
    /// It came to its end.
    Whole(Box<RunOutcome>),
    /// A signal of this number ended it.
    Interrupted(u8),
}

/// Runs the plan, unless a signal ends it.
pub(crate) fn to_the_end(plan: &Plan, observer: &dyn Observer) -> Result<RunEnd> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the prover's runtime")?;
    runtime.block_on(async {
        let mut signals = JoinSet::new();
        for kind in SIGNALS {
            let mut signal = signal(kind).context("cannot listen for signals")?;
            signals.spawn(async move {
                signal.recv().await;
                kind.as_raw_value()
            });
        }
        tokio::select! {
            outcome = lameduck_check::run(plan, observer) => Ok(RunEnd::Whole(Box::new(outcome?))),
            // Dropping the run ends the target.
            Some(Ok(number)) = signals.join_next() => Ok(RunEnd::Interrupted(number as u8)),
        }
    })
}

/// As a shell reports a program that a signal ended.
pub(crate) fn interrupted(number: u8) -> u8 {
    128 + number
}

pub(crate) fn exit_code(outcome: &RunOutcome) -> ExitCode {
    ExitCode::from(outcome.ruling().exit_code())
}
