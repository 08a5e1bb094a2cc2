//! How much a kept promise is worth: whether there was a moment at which it could have been broken.

use std::time::Duration;

use crate::ledger::Ledger;

/// Below this a close and a request have no time to cross each other.
const NEAR: Duration = Duration::from_millis(1);

/// What is to be said of requests that a close may cross, by the round trips of the rounds.
pub(super) fn of_crossing(ledger: &Ledger) -> &'static str {
    let mut rtts = ledger.load_rounds().map(|round| round.rtt);
    match rtts.any(|rtt| rtt >= NEAR) {
        true => "",
        false => {
            "; but without a round trip a close crosses a request within microseconds, so next to nothing was exposed: \
             try --rtt 40ms"
        }
    }
}
