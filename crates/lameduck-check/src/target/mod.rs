//! The target: the command that is started, stopped and accounted for.

mod inherited;
mod output;
mod process;
mod signal;

pub use process::{Exit, TargetError};
pub use signal::StopSignal;

pub(crate) use process::Target;
