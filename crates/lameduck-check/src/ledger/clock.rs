//! The moments of a round that everything else is told by.

use std::time::Instant;

use crate::verdict::{Class, Evidence, Moment};

/// When a round's signal was sent and when its target ended: all that evidence needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundClock {
    /// The round's number, from 1.
    pub(crate) number: u32,
    /// The first signal: the zero of this clock.
    pub(crate) signal: Instant,
    /// The target's end.
    pub(crate) exit: Instant,
}

impl RoundClock {
    /// Milliseconds from the first signal to a moment; negative before it.
    pub(crate) fn at_ms(&self, moment: Instant) -> f64 {
        match moment.checked_duration_since(self.signal) {
            Some(after) => after.as_secs_f64() * 1e3,
            None => -(self.signal.duration_since(moment).as_secs_f64() * 1e3),
        }
    }

    /// In which part of the shutdown a moment is.
    pub(crate) fn part(&self, moment: Instant) -> Moment {
        match moment {
            at if at < self.signal => Moment::BeforeSignal,
            at if at <= self.exit => Moment::Stopping,
            _ => Moment::AfterExit,
        }
    }

    /// Something that was seen to go wrong.
    pub(crate) fn evidence(
        &self,
        at: Instant,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Evidence {
        Evidence {
            round: self.number,
            // Tenths of a microsecond are noise.
            at_ms: (self.at_ms(at) * 1e3).round() / 1e3,
            r#where: place.into(),
            what: what.into(),
            class: Class::Loss,
            moment: self.part(at),
            lane: None,
            connection: None,
            failures: 1,
        }
    }
}
