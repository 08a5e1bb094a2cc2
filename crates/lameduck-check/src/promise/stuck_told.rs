//! `stuck-told`: what was let go is named, and the exit is not 0.

use crate::ledger::{Ledger, RoundKind};
use crate::load::upload::STUCK;
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.of(RoundKind::Stuck) {
        finding.of(round);
        let path = round.stuck_path.as_deref().unwrap_or("/");
        let names = round
            .said_after_signal
            .contains(path.split('?').next().unwrap_or(path));
        let place = format!("target, with {STUCK}");
        let complaint = match round.exit.code {
            _ if round.exit.killed => {
                Some("had to be killed: the stuck request held it past its grace".to_owned())
            }
            _ if round.signal_to_exit() >= ledger.grace => {
                Some("ended only after its grace".to_owned())
            }
            Some(0) => Some("exit code 0 although a request was let go".to_owned()),
            _ if !names => Some(format!(
                "{}, and nothing it wrote names `{path}`",
                round.exit.describe()
            )),
            _ => None,
        };
        match complaint {
            Some(what) => finding.broken(round.evidence(round.exit.at, place, what)),
            None => finding.kept(),
        }
    }
    finding.verdict(
        "the stuck request was named, and the exit was not 0",
        "a request that never ended was not told of, or held the target too long",
        Untried::unasked("give --upload PATH to test it"),
    )
}
