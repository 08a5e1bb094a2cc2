//! `second-signal`: a second signal hurries, a third ends it.
//!
//! With requests in flight three signals come, 300 ms apart. A second after the third the process must be gone,
//! with status 128 + signal. One that is gone before the third was hurried by the second: any status but 0 is
//! right then, for something was let go.

use std::time::Duration;

use crate::ledger::{Ledger, RoundKind};
use crate::verdict::{Finding, Verdict};

const LIMIT: Duration = Duration::from_secs(1);

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let mut ended_early = false;
    for round in ledger.of(RoundKind::SecondSignal) {
        let exit = round.exit;
        let expected = 128 + ledger.signal.number();
        let complaint = match round.signals[..] {
            [_, _, third] if exit.killed || exit.at > third + LIMIT => Some(format!(
                "{}, {:.1} s after the third signal",
                exit.describe(),
                (exit.at - third).as_secs_f64()
            )),
            [_, _, _] if exit.shell_code() != expected => Some(format!(
                "{} after the third signal; expected {expected}",
                exit.describe()
            )),
            [_, _] if exit.shell_code() == 0 => {
                Some("exit code 0 after the second signal although requests were let go".to_owned())
            }
            [_] => {
                ended_early = true;
                continue;
            }
            _ => None,
        };
        match complaint {
            Some(what) => {
                finding.broken(round.evidence(exit.at, "target, with requests in flight", what))
            }
            None => finding.kept(),
        }
    }
    finding.verdict(
        "a repeated signal ended the target, with requests still in flight",
        "a repeated signal did not end the target as it should",
        match ended_early {
            true => "the target ended on the first signal although requests were in flight",
            false => "give --upload PATH or --slow PATH to test it",
        },
    )
}
