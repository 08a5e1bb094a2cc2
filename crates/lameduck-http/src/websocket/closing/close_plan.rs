//! When each of so many sockets is sent away: plain arithmetic, no clock.
//!
//! # What must hold
//!
//! 1. The last batch goes strictly before the spread is over, and the spread is at most half of the
//!    time that is left. A drainer whose batches exactly fill its window has no time for the last
//!    one's goodbye.
//! 2. Batches never go faster than the bound on the rate, unless number 1 demands it.

use std::time::Duration;

use crate::websocket::settings::WebSockets;

/// A few sockets go no slower than one each 50 ms.
const SLOWEST: Duration = Duration::from_millis(50);
/// No more than one batch each 10 ms: timers and tasks are not for nothing.
const TICK: Duration = Duration::from_millis(10);

/// How many go at once, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::websocket) struct ClosePlan {
    spread: Duration,
    /// How many go together.
    pub(in crate::websocket) size: usize,
    batches: usize,
}

impl ClosePlan {
    /// A plan for `n` sockets, one at least, with `left` until they must have gone.
    pub(in crate::websocket) fn of(n: usize, settings: &WebSockets, left: Duration) -> ClosePlan {
        let n = n.max(1);
        let times = |each: Duration| each.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
        let slow = settings.window.min(times(SLOWEST));
        let fast = Duration::from_secs_f64(n as f64 / f64::from(settings.per_second));
        let spread = slow.max(fast).min(left / 2);
        let by_tick = match spread.is_zero() {
            true => n,
            false => (times(TICK).as_secs_f64() / spread.as_secs_f64()).ceil() as usize,
        };
        let size = settings.batch.max(by_tick).min(n);
        ClosePlan {
            spread,
            size,
            batches: n.div_ceil(size),
        }
    }

    /// When the `nth` batch goes, from the first on; `jitter` is in 0..1.
    pub(in crate::websocket) fn at(&self, nth: usize, jitter: f64) -> Duration {
        if self.batches == 1 {
            // Nobody to keep apart.
            return Duration::ZERO;
        }
        self.spread
            .mul_f64(((nth as f64 + jitter) / self.batches as f64).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn last(plan: &ClosePlan) -> Duration {
        plan.at(plan.batches - 1, 0.999)
    }

    #[test]
    fn websocket_paced_ten_thousand_fit_well_within_the_budget() {
        let plan = ClosePlan::of(10_000, &WebSockets::new(), s(24));
        assert_eq!((plan.size, plan.batches, plan.spread), (20, 500, s(5)));
        assert!(last(&plan) < s(5));
    }

    #[test]
    fn websocket_paced_a_few_do_not_take_the_whole_window() {
        let plan = |n| ClosePlan::of(n, &WebSockets::new(), s(24));
        assert_eq!(last(&plan(1)), Duration::ZERO);
        assert_eq!(plan(10).spread, Duration::from_millis(500));
        assert_eq!(plan(200).spread, s(5));
    }

    #[test]
    fn websocket_paced_the_rate_stretches_the_window_and_the_budget_bounds_both() {
        let settings = WebSockets::new().at_most_per_second(100);
        assert_eq!(ClosePlan::of(1000, &settings, s(24)).spread, s(10));
        assert_eq!(ClosePlan::of(10_000, &settings, s(24)).spread, s(12));
        let plan = ClosePlan::of(10_000, &settings, Duration::ZERO);
        assert_eq!((plan.size, plan.batches), (10_000, 1));
    }

    #[test]
    fn websocket_paced_every_batch_has_its_own_slot_and_none_is_too_small() {
        for n in [1, 2, 7, 99, 1000, 12_345] {
            for batch in [1, 10, 5000] {
                for left in [Duration::ZERO, Duration::from_millis(3), s(1), s(24)] {
                    let plan = ClosePlan::of(n, &WebSockets::new().batch(batch), left);
                    assert!(plan.size * plan.batches >= n, "{plan:?}");
                    assert!(plan.size * (plan.batches - 1) < n, "{plan:?}");
                    assert!(plan.size >= batch.min(n), "{plan:?}");
                    assert!(last(&plan) <= left / 2, "{plan:?}");
                    for nth in 1..plan.batches {
                        assert!(plan.at(nth - 1, 0.999) <= plan.at(nth, 0.0), "{plan:?}");
                    }
                }
            }
        }
    }
}
