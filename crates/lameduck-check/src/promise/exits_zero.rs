//! `exits-zero`: exit 0 when nothing was let go, or another code that is expected. Tried by every round in which all
//! work could end.
//!
//! Some runtimes drain, and then say by their exit what asked them to: the JVM exits with 143 after a SIGTERM, uvicorn
//! and Puma send themselves the signal anew. Whoever expects 143 accepts that, but not an end by the signal on the
//! spot, which has the same status: there what was in flight is lost.

use std::time::Duration;

use crate::ledger::{Ledger, Round, RoundKind};
use crate::verdict::{Finding, Untried, Verdict};

/// Who ends by a signal within this was ended by it. A process drains in no time too, but only if nothing is in flight.
const ON_THE_SPOT: Duration = Duration::from_millis(100);

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let mut codes = Vec::new();
    let expected = &ledger.expected_exits;
    let rounds = ledger.of(RoundKind::Load).chain(ledger.of(RoundKind::Idle));
    // A target past its grace ends because its clients were sent away, or is killed: `within-grace` tells of it.
    for round in rounds.filter(|round| round.signal_to_exit() < ledger.grace) {
        finding.of(round);
        let code = round.exit.shell_code();
        let what = round.exit.describe();
        let says_signal = code == 128 + ledger.signal.number();
        if says_signal && died_on_the_spot(round) {
            let what = format!("{what}, on the spot: it was not asked to end, it was ended");
            finding.broken(round.evidence(round.exit.at, "target", what));
        } else if expected.contains(&code) {
            codes.push(code);
            finding.kept();
        } else {
            let what = match says_signal {
                true if round.signal_to_exit() < ON_THE_SPOT => format!(
                    "{what} at once, with nothing in flight: --expect-exit 0,{code} accepts it"
                ),
                true => format!("{what}, after a drain: --expect-exit 0,{code} accepts it"),
                false => what,
            };
            finding.broken(round.evidence(round.exit.at, "target", what));
        }
    }
    codes.sort_unstable();
    codes.dedup();
    finding.verdict(
        format!("exit {} each time", told(&codes)),
        format!(
            "the exit status was not {} although all work could end",
            told(expected)
        ),
        Untried::missed("the target never ended by itself within its grace"),
    )
}

fn told(codes: &[i32]) -> String {
    let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
    codes.join(" or ")
}

/// Ended by the signal's own effect: at once, with the loss of what was in flight.
fn died_on_the_spot(round: &Round) -> bool {
    let signal = round.signalled();
    let mut exchanges = round.exchanges.iter();
    round.exit.signal.is_some()
        && round.signal_to_exit() < ON_THE_SPOT
        && exchanges.any(|exchange| exchange.in_flight_at(signal) && exchange.ending.is_lost())
}
