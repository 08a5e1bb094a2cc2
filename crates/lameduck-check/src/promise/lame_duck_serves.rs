//! `lame-duck-serves`: while readiness fails and until the listener closes, everything is served as before.

use crate::ledger::{Ending, Ledger};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let is_watched = ledger
        .load_rounds()
        .any(|round| !round.readiness.is_empty());
    for round in ledger.load_rounds() {
        finding.of(round);
        let signal = round.signalled();
        // Gone is not lame: only an answer that says "not ready" begins the phase.
        let lame = round.readiness.iter().find(|sample| {
            sample.asked >= signal && matches!(sample.status, Ok(status) if status != 200)
        });
        let Some(lame) = lame else { continue };
        let closed = round.closed_at();
        for exchange in round
            .since_signal()
            .filter(|exchange| exchange.began >= lame.answered && exchange.began < closed)
        {
            match exchange.ending {
                Ending::Ok | Ending::OkClose => finding.kept(),
                // An HTTP/2 stream sent back unprocessed, or one that raced with the listener closing.
                Ending::Refused | Ending::Unprocessed => {}
                _ => finding.broken(round.evidence_of(exchange)),
            }
        }
    }
    finding.verdict(
        "everything that came between readiness failing and the listener closing was served",
        "requests that came between readiness failing and the listener closing were not served",
        match is_watched {
            true => Untried::missed("no request fell between readiness failing and the listener closing: give the target a lame-duck phase (LAMEDUCK_LAME_DUCK=1s)"),
            false => Untried::unasked("give --ready URL to test it"),
        },
    )
}
