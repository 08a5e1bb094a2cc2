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
mod signal;
mod tree;
mod wrapper;

pub use capability::{Capabilities, Capability};
pub(crate) use contract::Target;
pub use contract::TreeEnd;
pub use error::TargetError;
pub use exit::Exit;
pub use signal::StopSignal;
pub use tree::Process;

use crate::plan::Plan;

/// Starts the plan's target.
pub(crate) async fn start(plan: &Plan) -> Result<Box<dyn Target>, TargetError> {
    Ok(Box::new(command::CommandTarget::start(plan).await?))
}

/// What of the plan's target can be seen and done.
pub(crate) fn capabilities(_: &Plan) -> Capabilities {
    Capabilities::COMMAND
}
