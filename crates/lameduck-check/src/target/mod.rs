//! What is tested, as one trait with capabilities ([`contract`]), and one file for each kind of target.

mod capability;
mod command;
mod contract;
mod descriptors;
mod error;
mod exit;
mod guardian;
mod inherited;
mod leash;
mod notify;
mod output;
mod readiness;
mod running;
mod signal;
mod tree;
mod trigger;
mod wrapper;

pub use capability::{Capabilities, Capability};
pub(crate) use contract::Target;
pub use contract::TreeEnd;
pub use error::TargetError;
pub use exit::ProcessExit;
pub use signal::StopSignal;
pub use tree::Process;

pub(crate) use readiness::until_ready;
pub(crate) use trigger::{TriggerRun, is_there};

use crate::plan::Plan;

/// Starts the plan's target, or finds it.
pub(crate) async fn start(plan: &Plan) -> Result<Box<dyn Target>, TargetError> {
    match plan.pid {
        Some(pid) => Ok(Box::new(running::RunningTarget::find(pid)?)),
        None => Ok(Box::new(command::CommandTarget::start(plan).await?)),
    }
}

/// What of the plan's target can be seen and done.
pub(crate) fn capabilities(plan: &Plan) -> Capabilities {
    match (&plan.trigger, plan.pid) {
        (Some(_), _) => Capabilities::TRIGGER,
        (None, Some(_)) => Capabilities::PID,
        (None, None) => Capabilities::COMMAND,
    }
}
