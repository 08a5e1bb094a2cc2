//! Whether a target is ready: the plan's question, asked once.

use std::time::{Duration, Instant};

use super::error::TargetError;
use crate::load::probe;
use crate::plan::{Plan, ReadyAnswer};

/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Where the output would be of what was started by somebody else.
pub(super) const NOT_SEEN: &str = "  (not seen: it was started by somebody else)";

/// Waits until what was started by somebody else is ready; an error after the plan's time for that.
pub(crate) async fn until_ready(plan: &Plan) -> Result<Instant, TargetError> {
    let deadline = Instant::now() + plan.start_timeout;
    loop {
        let last = match look(plan).await {
            Ok(at) => return Ok(at),
            Err(last) => last,
        };
        if Instant::now() >= deadline {
            return Err(TargetError::NeverReady {
                waited: plan.start_timeout,
                last,
                fix: plan.what_to_check(),
                output: NOT_SEEN.to_owned(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// When the plan's readiness question was answered as it should be; else what was seen.
pub(super) async fn look(plan: &Plan) -> Result<Instant, String> {
    let (endpoint, question) = plan.readiness();
    let sample = match question {
        ReadyAnswer::Connects => probe::knock(&endpoint).await,
        _ => probe::look(&endpoint).await,
    };
    let is_ready = match question {
        ReadyAnswer::Status200 => sample.is_good(),
        ReadyAnswer::Below500 | ReadyAnswer::Connects => matches!(sample.status, Ok(..500)),
    };
    match (is_ready, &sample.status) {
        // Some say that they are ready a moment before they listen.
        (true, _) if !endpoint.is_at(&plan.url) => knock(plan).await,
        (true, _) => Ok(sample.answered),
        (false, Ok(status)) => Err(format!("{} answered {status}", endpoint.url())),
        (false, Err(what)) => Err(format!("{}: {what}", endpoint.url())),
    }
}

/// When somebody listened where the target is to serve; else what was seen.
pub(super) async fn knock(plan: &Plan) -> Result<Instant, String> {
    let sample = probe::knock(&plan.url).await;
    match sample.status {
        Ok(_) => Ok(sample.answered),
        Err(what) => Err(format!("{}: {what}", plan.url.url())),
    }
}
