//! Whether the prover itself keeps up: on a busy machine what arrives one by one is seen at once, and what was sent
//! at once is seen one by one. Whoever judges by moments asks here first.

use std::time::{Duration, Instant};

use super::stage::Stage;
use crate::ledger::Stall;

/// How often it looks at the clock.
const TICK: Duration = Duration::from_millis(5);
/// Later than this is a stall; below it is a timer's grain.
const LATE: Duration = Duration::from_millis(10);

/// Looks at the clock until the loads are ended.
pub(crate) async fn watch(stage: Stage) -> Vec<Stall> {
    let mut stalls = Vec::new();
    while !stage.is_over() {
        let due = Instant::now() + TICK;
        stage.sleep(TICK).await;
        let now = Instant::now();
        if now.saturating_duration_since(due) > LATE {
            stalls.push(Stall {
                from: due,
                until: now,
            });
        }
    }
    stalls
}
