//! Whether a target is ready: the plan's question, asked again and again.
//!
//! # What must hold
//! - Where no readiness probe is named, an answer of 400 to 499 is believed only once it has been the answer for a while:
//!   proxies and frameworks listen before they know their routes.

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
    let mut rejected = Rejected::default();
    loop {
        let last = match look(plan, &mut rejected).await {
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

/// How long a target that answers 400 to 499 may still be about to learn its routes.
const LEARNS: Duration = Duration::from_secs(1);

/// Since when nothing but 400 to 499 was answered.
#[derive(Debug, Default)]
pub(super) struct Rejected(Option<Instant>);

impl Rejected {
    /// Whether a status below 500 is all that will come.
    fn is_final(&mut self, status: u16, at: Instant) -> bool {
        if status < 400 {
            return true;
        }
        at.duration_since(*self.0.get_or_insert(at)) >= LEARNS
    }
}

/// When the plan's readiness question was answered as it should be; else what was seen.
pub(super) async fn look(plan: &Plan, rejected: &mut Rejected) -> Result<Instant, String> {
    let (endpoint, question) = plan.readiness();
    let sample = match question {
        ReadyAnswer::Connects => probe::knock(&endpoint).await,
        _ => probe::look(&endpoint).await,
    };
    let is_ready = match question {
        ReadyAnswer::Status200 => sample.is_good(),
        ReadyAnswer::Below500 => match sample.status {
            Ok(status @ ..500) => rejected.is_final(status, sample.answered),
            _ => false,
        },
        ReadyAnswer::Connects => sample.status.is_ok(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_is_final_only_after_a_while() {
        let mut rejected = Rejected::default();
        let began = Instant::now();
        assert!(!rejected.is_final(404, began));
        assert!(!rejected.is_final(404, began + LEARNS / 2));
        assert!(rejected.is_final(200, began + LEARNS / 2));
        assert!(rejected.is_final(404, began + LEARNS));
    }
}
