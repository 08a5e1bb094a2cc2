//! What a run holds the target to, whatever the round.

use std::time::Duration;

use crate::plan::Plan;
use crate::target::{self, Capabilities, StopSignal};

/// What a run holds the target to: the same in all its rounds.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What of the target can be seen and done.
    pub capabilities: Capabilities,
    /// The time the target had between signal and end.
    pub grace: Duration,
    /// The signal that was sent.
    pub signal: StopSignal,
    /// How long the surroundings may still send to a target that was signalled.
    pub notice: Option<Duration>,
    /// Whether liveness is asked where the target serves.
    pub live_is_served: bool,
    /// Whether the service as a whole must never refuse.
    pub continuous: bool,
    /// Exit codes that are right when nothing was let go: 128 + n for an end by signal n.
    pub expected_exits: Vec<i32>,
}

impl Terms {
    pub(crate) fn of(plan: &Plan) -> Self {
        let live = plan.live.as_ref();
        Self {
            capabilities: target::capabilities(plan),
            grace: plan.grace,
            signal: plan.signal,
            notice: plan.notice,
            live_is_served: live.is_some_and(|live| live.is_at(&plan.url)),
            continuous: plan.continuous,
            expected_exits: plan.expect_exit.clone(),
        }
    }
}
