//! `lame-duck-serves`: while readiness fails and until the listener closes, everything is served as before: with the same answers, and
//! about as fast. How fast a target is that was saturated before the signal nobody can tell: there that is undecided.

use std::cell::LazyCell;

use super::Promise;
use crate::ledger::{Ending, Latencies, Round};
use crate::verdict::{Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct LameDuckServes {
    is_asked: bool,
}

impl Promise for LameDuckServes {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= !round.readiness.is_empty();
        let signal = round.signalled();
        // Gone is not lame: only an answer that says "not ready" begins the phase, whenever it was asked for.
        let lame = round.readiness.iter().find(|sample| {
            sample.answered >= signal && matches!(sample.status, Ok(status) if status != 200)
        });
        let Some(lame) = lame else { return };
        let closed = round.closed_at();
        let before = Latencies::before_the_signal(round);
        // Asked for only where an answer took long.
        let was_saturated = LazyCell::new(|| before.saturation().is_some());
        // Between the last connection and the first refusal nobody can tell whether it still listened.
        let established = round
            .exchanges
            .iter()
            .filter(|it| !it.reused && it.written.is_some());
        let listened = established.map(|it| it.began).max();
        for exchange in round
            .since_signal()
            .filter(|exchange| exchange.began >= lame.answered && exchange.began < closed)
        {
            match exchange.ending {
                Ending::Ok | Ending::OkClose => {
                    let stalled = round.stalled_within(exchange.intended, exchange.ended);
                    match before.exceeded(exchange, stalled) {
                        None => finding.kept(),
                        Some(longest) => {
                            let mut evidence = round.evidence_of(exchange);
                            evidence.what = format!(
                                "{}, after {:.0} ms; before the signal it took {:.0} ms at most",
                                evidence.what,
                                exchange.took().as_secs_f64() * 1e3,
                                longest.as_secs_f64() * 1e3
                            );
                            finding.failed(*was_saturated, evidence);
                        }
                    }
                }
                _ if Some(exchange.began) > listened => {}
                // An HTTP/2 stream sent back unprocessed, or one that raced with the listener closing.
                Ending::Refused | Ending::Unprocessed => {}
                _ => finding.failed(round.may_be_late(exchange), round.evidence_of(exchange)),
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
        "everything that came between readiness failing and the listener closing was served",
        "requests that came between readiness failing and the listener closing were not served as before",
        match self.is_asked {
            true => Untried::missed("no request fell between readiness failing and the listener closing: give the target a lame-duck phase (LAMEDUCK_LAME_DUCK=1s)"),
            false => Untried::unasked("give --ready URL to test it"),
        },
    )
    }
}
