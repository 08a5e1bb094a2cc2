//! One stop that comes as several signals.
//!
//! `npm` passes on the SIGINT that its child has had from the terminal already; Heroku sends SIGTERM to
//! every process, and the parent passes its own on; `kill -- -PGID` and an init that forwards do the same. So
//! a signal is a repeat if it comes within [`REPEAT`] of the one before, whatever the two are.
//!
//! Copies come within milliseconds, tens of them on a busy machine. Whoever types `kill` a second time needs more
//! than half a second, and the scripts and supervisors that mean to press wait for longer than that. 200 ms are well
//! away from both.
//!
//! Somebody who presses Ctrl-C three times can be faster than that, and must get out. The kernel says which
//! signals come from a key of the terminal: of those each counts, but for [`HELD`], because a terminal sends some thirty
//! a second for a key that is held down.
//!
//! # What must hold
//!
//! 1. Copies of one stop count as one, in whatever order they come.
//! 2. Three presses of a key count as three, whatever copies come between them.
//!
//! Pure: the moments are given.

use std::time::{Duration, Instant};

/// A signal within this of the one before is the same stop: 200 ms.
pub(crate) const REPEAT: Duration = Duration::from_millis(200);

/// A key of the terminal within this of the same is one that is held down: 50 ms.
pub(crate) const HELD: Duration = Duration::from_millis(50);

/// Where a signal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalOrigin {
    /// A process, or nobody knows.
    Process,
    /// A key of the terminal.
    Key,
}

/// Tells repeats from signals that count.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// The last signal.
    last: Option<Instant>,
    /// The last one that counted.
    counted: Option<Instant>,
    /// The last one from a key.
    key: Option<Instant>,
}

impl Repeats {
    /// Whether the signal that comes `at` counts.
    pub(crate) fn counts(&mut self, origin: SignalOrigin, at: Instant) -> bool {
        let within = |since: Option<Instant>, bound| {
            since.is_some_and(|it| at.saturating_duration_since(it) < bound)
        };
        let repeat = match origin {
            SignalOrigin::Process => within(self.last, REPEAT),
            SignalOrigin::Key => within(self.key, HELD) || within(self.counted, HELD),
        };
        self.last = Some(at);
        if origin == SignalOrigin::Key {
            self.key = Some(at);
        }
        if !repeat {
            self.counted = Some(at);
        }
        !repeat
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SignalOrigin::{Key, Process};

    /// How many of the signals count that come after so many milliseconds.
    fn counted(signals: &[(SignalOrigin, u64)]) -> usize {
        let began = Instant::now();
        let mut repeats = Repeats::default();
        signals
            .iter()
            .filter(|(origin, ms)| repeats.counts(*origin, began + Duration::from_millis(*ms)))
            .count()
    }

    #[test]
    fn copies_within_the_bound_of_the_one_before_are_one() {
        assert_eq!(counted(&[(Process, 0), (Process, 1), (Process, 30)]), 1);
        // Each of them near the one before, the last far from the first.
        assert_eq!(counted(&[(Process, 0), (Process, 150), (Process, 300)]), 1);
        assert_eq!(counted(&[(Process, 0), (Process, 201), (Process, 402)]), 3);
    }

    #[test]
    fn three_presses_are_three_whatever_a_parent_passes_on() {
        assert_eq!(counted(&[(Key, 0), (Key, 90), (Key, 180)]), 3);
        let passed_on = [
            (Key, 0),
            (Process, 4),
            (Key, 90),
            (Process, 170),
            (Key, 180),
        ];
        assert_eq!(counted(&passed_on), 3);
        // The copy is looked at first.
        assert_eq!(counted(&[(Process, 0), (Key, 0), (Process, 2)]), 1);
    }

    #[test]
    fn a_key_that_is_held_down_is_one_press() {
        let held: Vec<_> = (0..60).map(|n| (Key, n * 33)).collect();
        assert_eq!(counted(&held), 1);
    }
}
