//! How much a kept promise is worth: whether there was a moment at which it could have been broken.

use std::time::Duration;

use crate::ledger::Round;

/// Below this a close and a request have no time to cross each other.
const NEAR: Duration = Duration::from_millis(1);

/// Whether a close may have crossed a request, as far as the round trips of the rounds go.
#[derive(Default)]
pub(super) struct Crossing {
    was_possible: bool,
}

impl Crossing {
    pub(super) fn see(&mut self, round: &Round) {
        self.was_possible |= round.rtt >= NEAR;
    }

    /// What is to be said of it.
    pub(super) fn remark(&self) -> &'static str {
        match self.was_possible {
            true => "",
            false => {
                "; but without a round trip a close crosses a request within microseconds, so next to nothing was exposed: \
                 try --rtt 40ms"
            }
        }
    }
}
