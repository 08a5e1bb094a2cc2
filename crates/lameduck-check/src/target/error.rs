//! Why a target could not be tested.

use std::time::Duration;

use thiserror::Error;

use crate::wire::Destination;

/// Why the target could not be put under load. The command line shows these with exit 2.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The command does not start.
    #[error("cannot start `{command}`: {reason}; give the command and its arguments after `--`")]
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Something serves the address although the target does not run.
    #[error(
        "something already listens on {destination} before the target was started; stop it, or use another port"
    )]
    PortTaken {
        /// The address or the Unix socket.
        destination: Destination,
    },
    /// It ended before it was ready.
    #[error("the target ended before it was ready ({how}); its last output:\n{output}")]
    EndedEarly {
        /// How it ended.
        how: String,
        /// The end of its output.
        output: String,
    },
    /// It never became ready.
    #[error(
        "the target was not ready within {waited:?}: {last}; {fix}; its last output:\n{output}"
    )]
    NeverReady {
        /// How long it was waited for.
        waited: Duration,
        /// What the last look showed.
        last: String,
        /// What may be wrong.
        fix: &'static str,
        /// The end of its output.
        output: String,
    },
    /// It was gone when the signal was to be sent.
    #[error("the target ended before the signal was sent ({how}); its last output:\n{output}")]
    EndedUnderLoad {
        /// How it ended.
        how: String,
        /// The end of its output.
        output: String,
    },
    /// It went into the background as several processes.
    #[error(
        "the target went into the background, and which of these is to get the signal nobody can tell:{processes}\nkeep it \
         in the foreground, as `daemon off;` does with nginx"
    )]
    Background {
        /// What it left there.
        processes: String,
    },
    /// There is no socket on which it could say that it is ready.
    #[error("--ready-notify: no socket for it ({0}); use --ready or --ready-line")]
    NotifySocket(std::io::Error),
    /// There is no process of that number, or it cannot be held.
    #[error(
        "--pid {pid}: {reason}; expected the number of a process that runs here (Linux 5.3 or later), and the right to signal it"
    )]
    NoSuchProcess {
        /// The number.
        pid: u32,
        /// What the system said.
        reason: std::io::Error,
    },
}
