//! The rounds that have come to their end, for when the run does not.

use std::sync::{Mutex, PoisonError};

use lameduck_check::report::RoundReport;
use lameduck_check::{Event, Observer};

/// Notes each round that ends, and passes on what it hears.
pub(crate) struct RoundLog<'a> {
    next: &'a dyn Observer,
    rounds: Mutex<Vec<RoundReport>>,
}

impl<'a> RoundLog<'a> {
    pub(crate) fn before(next: &'a dyn Observer) -> Self {
        Self {
            next,
            rounds: Mutex::default(),
        }
    }

    pub(crate) fn into_rounds(self) -> Vec<RoundReport> {
        self.rounds
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for RoundLog<'_> {
    fn on(&self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event {
            let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.push(RoundReport::of(round));
        }
        self.next.on(event);
    }
}
