//! How long a job is ours: the worker's own clock, whatever the queue says or does not say.
//!
//! A queue hands a job to another worker when it has not heard of this one for the time of a lease. By
//! then the handler here must have stopped. Nobody may be there to tell us: the network may be gone, the
//! call that renews the lease may hang, the process may have been stopped. So the worker counts itself.
//!
//! # What must hold
//!
//! 1. It begins before the queue is asked, and so ends before the queue's own.
//! 2. It goes on while the process is stopped and while the machine sleeps.
//! 3. A lease that is over stays over: an answer that comes late does not revive it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A moment by a clock that goes on while the machine sleeps: the time since some moment in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseInstant(Duration);

impl LeaseInstant {
    /// Now.
    pub fn now() -> LeaseInstant {
        LeaseInstant(read())
    }

    /// The time from `earlier` to this moment; zero if it is not earlier.
    pub fn since(self, earlier: LeaseInstant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `ago` before this one.
    pub fn before(self, ago: Duration) -> LeaseInstant {
        LeaseInstant(self.0.saturating_sub(ago))
    }
}

/// `CLOCK_MONOTONIC` stands still while the machine sleeps, this one does not.
#[cfg(all(target_os = "linux", not(test)))]
fn read() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The runtime's clock, which tests can pause, and the sleep that they make up.
#[cfg(test)]
fn read() -> Duration {
    since_long_ago() + tests::ASLEEP.get()
}

#[cfg(not(any(target_os = "linux", test)))]
fn read() -> Duration {
    since_long_ago()
}

#[cfg(any(not(target_os = "linux"), test))]
fn since_long_ago() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static LONG_AGO: OnceLock<Instant> = OnceLock::new();
    // Longer ago than any clock can show that was paused before this one was first asked.
    let long_ago = || {
        let now = Instant::now();
        now.checked_sub(Duration::from_secs(3_600)).unwrap_or(now)
    };
    let now = lameduck_core::internal::clock::now();
    now.saturating_duration_since(*LONG_AGO.get_or_init(long_ago))
}

/// The clock of one job's lease. Each handler's poll looks at it, so it costs no lock.
#[derive(Debug)]
pub(crate) struct LeaseClock {
    /// How long it lasts after it was renewed.
    lasts: Duration,
    /// When it ends, in nanoseconds of a [`LeaseInstant`]; or one of the two below.
    ends: AtomicU64,
}

/// The lease is over, and stays so.
const OVER: u64 = 0;

/// The lease lasts as long as the connection.
const ENDLESS: u64 = u64::MAX;

impl LeaseClock {
    /// One that began at `begun`, or was last renewed then. `None`: it lasts as long as the connection.
    pub(crate) fn new(lasts: Option<Duration>, begun: LeaseInstant) -> LeaseClock {
        LeaseClock {
            lasts: lasts.unwrap_or_default(),
            ends: AtomicU64::new(lasts.map_or(ENDLESS, |lasts| nanos(begun.0 + lasts))),
        }
    }

    /// The queue has said that the job is ours, having been asked at `asked`.
    pub(crate) fn renewed(&self, asked: LeaseInstant, now: LeaseInstant) {
        let ends = nanos(asked.0 + self.lasts);
        // Whoever comes between has renewed it too, or seen that it is over.
        while self.left(now).is_some() {
            let before = self.ends.load(Ordering::Acquire);
            if before == OVER || before >= ends || self.replace(before, ends) {
                return;
            }
        }
    }

    /// The time that is left of it, [`Duration::MAX`] if it has no end. `None` once it is over.
    pub(crate) fn left(&self, now: LeaseInstant) -> Option<Duration> {
        let now = nanos(now.0);
        loop {
            let ends = self.ends.load(Ordering::Acquire);
            if ends == ENDLESS {
                return Some(Duration::MAX);
            }
            if ends > now {
                return Some(Duration::from_nanos(ends - now));
            }
            if self.replace(ends, OVER) {
                return None;
            }
        }
    }

    fn replace(&self, before: u64, after: u64) -> bool {
        let replaced =
            self.ends
                .compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire);
        replaced.is_ok()
    }

    /// Whether it is over. Costs no clock if it has no end.
    pub(crate) fn is_over(&self) -> bool {
        self.ends.load(Ordering::Acquire) != ENDLESS && self.left(LeaseInstant::now()).is_none()
    }
}

/// Enough for 584 years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(ENDLESS - 1)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    thread_local!(
        /// For how long the machine has slept, as this thread has it.
        pub(crate) static ASLEEP: Cell<Duration> = const { Cell::new(Duration::ZERO) }
    );

    const LEASE: Duration = Duration::from_secs(3);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_lease_ends_on_time_and_is_not_revived_by_a_late_answer() {
        let begun = LeaseInstant::now();
        let at = |later| LeaseInstant(begun.0 + ms(later));
        let clock = LeaseClock::new(Some(LEASE), begun);
        assert_eq!(clock.left(at(2_999)), Some(ms(1)));
        clock.renewed(at(1_000), at(2_999));
        assert_eq!(clock.left(at(3_500)), Some(ms(500)));
        // Asked before, answered after.
        clock.renewed(at(500), at(3_600));
        assert_eq!(clock.left(at(3_600)), Some(ms(400)));
        // Asked in time, answered when it was over.
        clock.renewed(at(3_900), at(4_000));
        assert_eq!(clock.left(at(4_001)), None);
        assert_eq!(clock.left(at(3_000)), None, "it stays over");
    }

    #[test]
    fn a_lease_goes_on_while_the_machine_sleeps() {
        let begun = LeaseInstant::now();
        ASLEEP.set(ASLEEP.get() + LEASE);
        let woken = LeaseInstant::now();
        assert_eq!(LeaseClock::new(Some(LEASE), begun).left(woken), None);
        let endless = LeaseClock::new(None, begun);
        assert_eq!(endless.left(woken), Some(Duration::MAX));
    }

    proptest! {
        /// Whatever is asked and answered when: it is never ours for longer than a lease after the last
        /// question that was answered in time, and never for less.
        #[test]
        fn it_is_ours_for_exactly_a_lease_after_it_was_last_asked_for(
            steps in prop::collection::vec((0_u64..2_000, 0_u64..4_000), 1..40)
        ) {
            let begun = LeaseInstant::now();
            let clock = LeaseClock::new(Some(LEASE), begun);
            let (mut now, mut last, mut over) = (begun, begun, false);
            for (passed, answer_took) in steps {
                now = LeaseInstant(now.0 + ms(passed));
                let asked = now.before(ms(answer_took));
                over |= now.since(last) >= LEASE;
                clock.renewed(asked, now);
                if !over && asked.since(last) > Duration::ZERO {
                    last = asked;
                }
                over |= now.since(last) >= LEASE;
                prop_assert_eq!(clock.left(now).is_none(), over);
            }
        }
    }
}
