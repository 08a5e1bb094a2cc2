//! Why a run came to no verdict.

use thiserror::Error;

use crate::books::BooksError;
use crate::database::DatabaseError;
use crate::target::TargetError;

/// Why a run came to no verdict. The command line shows these with exit 2.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The target did not start, was never ready, or ended before its time.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A load was not served before the signal.
    #[error("before any signal, {load}: {seen}; such a load tests nothing: {fix}")]
    Unhealthy {
        /// What was asked, and by which load.
        load: String,
        /// What came of it.
        seen: String,
        /// What may be wrong.
        fix: &'static str,
    },
    /// Liveness failed before any signal.
    #[error(
        "--live {url} {seen} while the target was ready; name the probe that answers 200 as long as it lives"
    )]
    NotAlive {
        /// The probe.
        url: String,
        /// What it said.
        seen: String,
    },
    /// The trigger does not start.
    #[error(
        "--trigger: cannot start `{command}`: {reason}; expected a program and its arguments, like 'kubectl rollout restart deploy/shop'"
    )]
    Trigger {
        /// The command.
        command: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The trigger does not end.
    #[error("--trigger: `{command}` had not ended after {limit:?}")]
    TriggerHangs {
        /// The command.
        command: String,
        /// How long it was waited for.
        limit: std::time::Duration,
    },
    /// The target's books could not be read.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The target's database could not be watched.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The machine the prover runs on is short of something.
    #[error("{0}")]
    Local(String),
}
