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

/// What several threads noted, as one: times that overlap are one stall.
pub(super) fn merged(mut stalls: Vec<Stall>) -> Vec<Stall> {
    stalls.sort_unstable_by_key(|stall| stall.from);
    let mut merged: Vec<Stall> = Vec::new();
    for stall in stalls {
        match merged.last_mut() {
            Some(last) if stall.from <= last.until => last.until = last.until.max(stall.until),
            _ => merged.push(stall),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_threads_noted_at_once_is_one_stall() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let stall = |(from, until)| Stall {
            from: at(from),
            until: at(until),
        };
        let noted = [(50, 60), (0, 20), (2, 21), (3, 4), (30, 45)].map(stall);
        let told = merged(noted.to_vec());
        let told: Vec<_> = told.iter().map(|it| (it.from, it.until)).collect();
        let expected = [(0, 21), (30, 45), (50, 60)].map(|(from, until)| (at(from), at(until)));
        assert_eq!(told, expected);
    }
}
