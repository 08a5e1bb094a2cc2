//! One number rules a shutdown: `grace`, the time from the signal to the end of the process. This
//! module divides it, so that a stage that overruns takes nothing from the stages after it.
//!
//! ```text
//! signal                                                                      grace
//!   |--- lame duck --|------- draining -------|- let go -|-- closing --|- flush -|margin|
//!                                     drain_until  let_go_until close_until flush_until forced_at
//! ```
//!
//! # What must hold
//!
//! 1. `0 < drain_until < let_go_until < close_until < flush_until < forced_at < grace`, for every
//!    grace that is accepted.
//! 2. Every bound is counted from the signal, never from the end of the stage before it. A stage
//!    that ends early gives its time to the next; one that ends late takes none.
//!
//! Pure arithmetic: no clock, no I/O.

use std::time::Duration;

/// The grace by default: 30 s, the same as Kubernetes'
/// `terminationGracePeriodSeconds`.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// The least grace that can be kept to on a busy machine: 500 ms. Its watchdog has a tenth of that.
pub const LEAST_GRACE: Duration = Duration::from_millis(500);

/// The most: a day. A number above it is a mistake in the unit.
pub const MOST_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that the report may take at an end by force: 300 ms.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);

/// A grace that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a grace of {} is out of range: give between {} and {}, for example 30s",
    humantime::format_duration(*.0),
    humantime::format_duration(LEAST_GRACE),
    humantime::format_duration(MOST_GRACE)
)]
pub struct BadGrace(pub Duration);

/// How the time between the signal and the end is shared out. Every figure is an offset from the
/// signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    grace: Duration,
}

impl Budget {
    /// Divides `grace`.
    ///
    /// # Errors
    ///
    /// [`BadGrace`] outside [`LEAST_GRACE`]..=[`MOST_GRACE`].
    pub fn new(grace: Duration) -> Result<Budget, BadGrace> {
        if (LEAST_GRACE..=MOST_GRACE).contains(&grace) {
            Ok(Budget { grace })
        } else {
            Err(BadGrace(grace))
        }
    }

    /// The whole of it.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// What is kept for the stages after the drain: a fifth of the grace, at most 5 s.
    pub fn reserve(&self) -> Duration {
        (self.grace / 5).min(Duration::from_secs(5))
    }

    /// When the watchdog ends the process by force: 1 s before the grace is over, or a tenth of
    /// the grace if that is less. Whoever sent the signal kills at `grace`; what is stuck must be
    /// written down before that.
    pub fn forced_at(&self) -> Duration {
        self.grace - self.margin()
    }

    /// The most that the report may take at an end by force: half of the watchdog's margin, at most [`PATIENCE`].
    pub(crate) fn patience(&self) -> Duration {
        PATIENCE.min(self.margin() / 2)
    }

    /// What is left to the watchdog to say what was stuck.
    #[doc(hidden)]
    pub fn margin(&self) -> Duration {
        (self.grace / 10).min(Duration::from_secs(1))
    }

    /// Until when work in flight may finish (24 s of 30 s).
    pub fn drain_until(&self) -> Duration {
        self.forced_at() - self.reserve()
    }

    /// Until when at the latest a lame-duck phase may last: three quarters of the time until
    /// [`drain_until`](Budget::drain_until) (18 s of 30 s). What is left is for draining.
    #[doc(hidden)]
    pub fn lame_duck_until(&self) -> Duration {
        self.drain_until() * 3 / 4
    }

    /// Until when one may last that waits for quiet: a half of it (12 s of 30 s). Traffic that has not gone by
    /// then may not go at all, as where there is but this one process.
    pub(crate) fn quiet_awaited_until(&self) -> Duration {
        self.drain_until() / 2
    }

    /// Until when what is let go has time to be told: `503` answers, jobs given back (25 s of 30 s).
    /// Half of the reserve, at most 1 s.
    pub fn let_go_until(&self) -> Duration {
        self.drain_until() + (self.reserve() / 2).min(Duration::from_secs(1))
    }

    /// From when on connections that are not done are cut: for the last quarter of the time in which what
    /// is let go is told.
    #[doc(hidden)]
    pub fn cut_from(&self) -> Duration {
        self.let_go_until() - (self.let_go_until() - self.drain_until()) / 4
    }

    /// Until when pools and clients may close (27.9 s of 30 s).
    pub fn close_until(&self) -> Duration {
        self.flush_until() - self.reserve() / 5
    }

    /// Until when telemetry may be flushed (28.9 s of 30 s, just before the watchdog).
    pub fn flush_until(&self) -> Duration {
        self.forced_at() - (self.reserve() / 50)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            grace: DEFAULT_GRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_shared_out_as_the_documentation_says() {
        let budget = Budget::default();
        assert_eq!(budget.drain_until(), Duration::from_secs(24));
        assert_eq!(budget.let_go_until(), Duration::from_secs(25));
        assert_eq!(budget.close_until(), Duration::from_millis(27_900));
        assert_eq!(budget.flush_until(), Duration::from_millis(28_900));
        assert_eq!(budget.forced_at(), Duration::from_secs(29));
    }

    #[test]
    fn stages_keep_their_order_whatever_the_grace() {
        let mut grace = LEAST_GRACE;
        while grace <= MOST_GRACE {
            let b = Budget::new(grace).unwrap();
            let bounds = [
                Duration::ZERO,
                b.drain_until(),
                b.let_go_until(),
                b.close_until(),
                b.flush_until(),
                b.forced_at(),
                b.grace(),
            ];
            assert!(bounds.is_sorted_by(|a, b| a < b), "{grace:?}: {bounds:?}");
            grace = grace * 11 / 10;
        }
    }

    #[test]
    fn a_grace_out_of_range_is_refused_with_the_fix() {
        let error = Budget::new(Duration::ZERO).unwrap_err().to_string();
        assert!(
            error.contains("a grace of 0s") && error.contains("30s"),
            "{error}"
        );
        assert!(Budget::new(Duration::MAX).is_err());
    }
}
