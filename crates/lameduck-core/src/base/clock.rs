//! The two clocks: [`now`] for deadlines, [`Millis`] for the hot path.
//!
//! [`Millis`] counts milliseconds since some moment in the past, from the cheapest clock
//! there is. Good for ages and quiet times, where a few milliseconds do not matter; deadlines use
//! `Instant`.
//!
//! On Linux this is `CLOCK_MONOTONIC_COARSE` (a read of memory, no counter; a resolution of one
//! kernel tick, 1 to 10 ms), whose moment is the start of the system. Elsewhere it is `Instant`, and
//! the moment is when the process first asked.

#[cfg(not(target_os = "linux"))]
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Milliseconds since some moment in the past. Wraps after 584 million years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// Now.
    #[inline]
    pub fn now() -> Millis {
        #[cfg(any(test, feature = "test-clock"))]
        return Millis(monotonic_ms() + shifted::by());
        #[cfg(not(any(test, feature = "test-clock")))]
        Millis(monotonic_ms())
    }

    /// The moment `ago` before this one.
    pub fn before(self, ago: Duration) -> Millis {
        Millis(self.0.saturating_sub(ago.as_millis() as u64))
    }

    /// How long ago `self` was at `now`; zero if it is not past yet.
    pub fn until(self, now: Millis) -> Duration {
        Duration::from_millis(self.millis_until(now))
    }

    /// The same as a plain number.
    #[inline]
    pub fn millis_until(self, now: Millis) -> u64 {
        now.0.saturating_sub(self.0)
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn monotonic_ms() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    t.tv_sec as u64 * 1000 + t.tv_nsec as u64 / 1_000_000
}

#[cfg(not(target_os = "linux"))]
#[inline]
fn monotonic_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// Tokio's clock, so that tests can pause it; outside a runtime it is the system's.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// For tests: the cheap clock, moved on thread by thread.
#[cfg(any(test, feature = "test-clock"))]
pub mod shifted {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local!(static SHIFT: Cell<u64> = const { Cell::new(0) });

    pub(super) fn by() -> u64 {
        SHIFT.get()
    }

    /// Has [`Millis`](super::Millis) go on by `by` on this thread.
    pub fn advance(by: Duration) {
        SHIFT.set(SHIFT.get() + by.as_millis() as u64);
    }
}
