//! `second-signal`: a second signal hurries, a third ends it.
//!
//! With requests in flight three signals come, 400 ms apart. A second after the third the process must be gone,
//! with status 128 + signal. One that is gone before the third was hurried by the second: any status but 0 is
//! right then, for something was let go. A target whose last request had ended before has nothing to be hurried
//! in, so such a round says nothing.

use std::time::{Duration, Instant};

use super::Promise;
use crate::ledger::{Connection, Exchange, Round, RoundKind, Terms};
use crate::verdict::{Finding, Untried, Verdict};

const LIMIT: Duration = Duration::from_secs(1);
/// A whole response that ends so soon after a signal may have been on its way before.
const MARGIN: Duration = Duration::from_millis(20);

/// What one round says.
enum Says {
    Kept,
    Broken(String),
    Undecided(String),
    Nothing(&'static str),
}

pub(super) struct SecondSignal {
    /// The status of who is ended by the signal.
    expected: i32,
    missed: Option<&'static str>,
}

impl SecondSignal {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            expected: 128 + terms.signal.number(),
            missed: None,
        })
    }
}

impl Promise for SecondSignal {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        kind == RoundKind::SecondSignal
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        match say(round, self.expected) {
            Says::Kept => finding.kept(),
            Says::Broken(what) => {
                let place = "target, with requests in flight";
                finding.broken(round.evidence(round.exit.at, place, what));
            }
            Says::Undecided(what) => {
                let place = "target, with requests in flight";
                finding.undecided(round.evidence(round.exit.at, place, what));
            }
            Says::Nothing(why) => self.missed = Some(why),
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "a repeated signal ended the target, with requests still in flight",
            "a repeated signal did not end the target as it should",
            match self.missed {
                Some(why) => Untried::missed(why),
                None => Untried::unasked("give --upload PATH or --slow PATH to test it"),
            },
        )
    }
}

fn say(round: &Round, expected: i32) -> Says {
    const NO_WORK: &str = "every request had ended before the signals had come: give --upload PATH, or a --slow \
         PATH that takes longer than a second";
    // That is the first signal's doing: other promises are about it.
    const AT_THE_FIRST: &str = "the first signal ended the requests that were in flight, so nothing was left to be hurried";
    let exit = round.exit;
    match round.signals[..] {
        [_, _, third] if !has_work(round, third) => Says::Nothing(NO_WORK),
        [_, _, third] if exit.at > third + LIMIT && round.may_be_in_time(third, exit.at, LIMIT) => {
            Says::Undecided(exit.describe())
        }
        [_, _, third] if exit.killed || exit.at > third + LIMIT => Says::Broken(format!(
            "{}, {:.1} s after the third signal",
            exit.describe(),
            exit.at.saturating_duration_since(third).as_secs_f64()
        )),
        [_, _, _] if exit.shell_code() != expected => Says::Broken(format!(
            "{} after the third signal; expected {expected}",
            exit.describe()
        )),
        [_, _, _] => Says::Kept,
        [_] | [_, _] if cut(round).next().is_none() => Says::Nothing(NO_WORK),
        [_, second] if !cut(round).any(|connection| connection.ended >= second) => {
            Says::Nothing(AT_THE_FIRST)
        }
        [_, _] if exit.shell_code() == 0 => Says::Broken(
            "exit code 0 after the second signal although requests were let go".to_owned(),
        ),
        [_, _] => Says::Kept,
        _ => Says::Nothing(AT_THE_FIRST),
    }
}

/// Whether a request was in flight at a moment: one that was cut later, or answered clearly later.
fn has_work(round: &Round, at: Instant) -> bool {
    cut(round).any(|connection| connection.ended >= at)
        || answered(round).any(|exchange| exchange.ended > at + MARGIN)
}

/// The requests that got an answer.
fn answered(round: &Round) -> impl Iterator<Item = &Exchange> {
    let exchanges = round.exchanges.iter();
    exchanges.filter(|exchange| exchange.ending.is_answered())
}

/// The connections of those that got none. Each client made one request on one connection.
fn cut(round: &Round) -> impl Iterator<Item = &Connection> {
    let has_none =
        |connection: &&Connection| !answered(round).any(|it| it.client == connection.client);
    round.connections.iter().filter(has_none)
}
