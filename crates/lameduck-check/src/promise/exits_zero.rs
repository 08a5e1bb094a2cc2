//! `exits-zero`: exit 0 when nothing was let go, or another code that is expected. Tried by every round in which all
//! work could end.
//!
//! Some runtimes drain, and then say by their exit what asked them to: the JVM exits with 143 after a SIGTERM, uvicorn
//! and Puma send themselves the signal anew. Whoever expects 143 accepts that, but not an end by the signal on the
//! spot, which has the same status: there what was in flight is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Promise;
use crate::ledger::{Backlog, Exchange, Round, RoundKind, Terms};
use crate::verdict::{Finding, Untried, Verdict};

/// Who ends by a signal within this was ended by it. A process drains in no time too, but only if nothing is in flight.
const ON_THE_SPOT: Duration = Duration::from_millis(100);

pub(super) struct ExitsZero {
    terms: Terms,
    /// Those that were seen and are right.
    codes: BTreeSet<i32>,
}

impl ExitsZero {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            terms: terms.clone(),
            codes: BTreeSet::new(),
        })
    }
}

impl Promise for ExitsZero {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        matches!(kind, RoundKind::Load | RoundKind::Idle)
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        // A target past its grace ends because its clients were sent away, or is killed: `within-grace` tells of it.
        let was_ended = round.exit.killed || round.exit.released;
        if was_ended || round.signal_to_exit() >= self.terms.grace {
            return;
        }
        let code = round.exit.shell_code();
        let what = round.exit.describe();
        let says_signal = code == 128 + self.terms.signal.number();
        if says_signal && died_on_the_spot(round) {
            let what = format!("{what}, on the spot: it was not asked to end, it was ended");
            finding.broken(round.evidence(round.exit.at, "target", what));
        } else if self.terms.expected_exits.contains(&code) {
            self.codes.insert(code);
            finding.kept();
        } else {
            let what = match says_signal {
                true if round.signal_to_exit() < ON_THE_SPOT => {
                    let in_flight = match lost_in_flight(round).next() {
                        None => "with nothing in flight",
                        Some(_) => "and may never have looked at what was in flight",
                    };
                    format!("{what} at once, {in_flight}: --expect-exit 0,{code} accepts it")
                }
                true => format!("{what}, after a drain: --expect-exit 0,{code} accepts it"),
                false => what,
            };
            finding.broken(round.evidence(round.exit.at, "target", what));
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            format!("exit {} each time", told(&self.codes)),
            format!(
                "the exit status was not {} although all work could end",
                told(&self.terms.expected_exits)
            ),
            Untried::missed("the target never ended by itself within its grace"),
        )
    }
}

fn told<'a>(codes: impl IntoIterator<Item = &'a i32>) -> String {
    let codes: Vec<String> = codes.into_iter().map(i32::to_string).collect();
    codes.join(" or ")
}

/// Ended by the signal's own effect: at once, with the loss of what was in flight. What may never have been accepted says
/// nothing of that.
fn died_on_the_spot(round: &Round) -> bool {
    let backlog = Backlog::of(round);
    round.exit.signal.is_some()
        && round.signal_to_exit() < ON_THE_SPOT
        && lost_in_flight(round).any(|exchange| !backlog.may_have_held(exchange))
}

/// What was wholly written at the signal, and got no whole answer.
fn lost_in_flight(round: &Round) -> impl Iterator<Item = &Exchange> {
    let signal = round.signalled();
    let exchanges = round.exchanges.iter();
    exchanges.filter(move |it| it.in_flight_at(signal) && it.ending.is_lost())
}
