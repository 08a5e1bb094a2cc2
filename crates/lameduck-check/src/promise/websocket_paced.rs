//! `websocket-paced`: WebSockets are sent away spread out, not at once.
//!
//! One trial per round. Read from the shortest time in which half of the WebSockets were sent away: at once is less
//! than 100 ms. One batch, one straggler, one early bird change nothing about it. A busy machine does: what was sent
//! one by one is seen at once when the prover stood still meanwhile, and what was sent at once takes long. So the
//! longest time that the prover stood still there is first added and then taken away, and where that would turn the
//! verdict it is undecided.

use std::time::{Duration, Instant};

use super::Promise;
use super::websocket_closed::open_at_the_signal;
use crate::ledger::Round;
use crate::verdict::{Finding, Untried, Verdict};

/// Half of them within this is at once.
const AT_ONCE: Duration = Duration::from_millis(100);
/// With fewer there is nothing to spread.
const ENOUGH: usize = 20;

#[derive(Default)]
pub(super) struct WebSocketPaced {
    /// How many were sent away in a round, of how many that were open: where that was the most.
    most: Option<(usize, usize)>,
    shortest: Option<Duration>,
}

impl Promise for WebSocketPaced {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        if round.sockets.is_empty() {
            return;
        }
        let moments = sent_away(round);
        let open = open_at_the_signal(round).count();
        self.most = self.most.max(Some((moments.len(), open)));
        let Some((from, until)) = shortest_half(&moments) else {
            return;
        };
        let took = until - from;
        let stood_still = stood_still(round, from, until);
        if took + stood_still < AT_ONCE {
            let what = format!(
                "{} of {} were sent away within {:.1} ms",
                moments.len().div_ceil(2),
                moments.len(),
                took.as_secs_f64() * 1e3
            );
            finding.broken(round.evidence(from, "websockets", what));
        } else if took.saturating_sub(stood_still) >= AT_ONCE {
            self.shortest = Some(self.shortest.map_or(took, |shortest| shortest.min(took)));
            finding.kept();
        } else {
            let what = format!(
                "sent away within {:.1} ms, while the prover stood still for {:.1} ms",
                took.as_secs_f64() * 1e3,
                stood_still.as_secs_f64() * 1e3
            );
            finding.undecided(round.evidence(from, "websockets", what));
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let kept = match self.shortest {
            Some(shortest) => format!(
                "half of the WebSockets were never sent away in less than {} ms",
                shortest.as_millis()
            ),
            None => String::new(),
        };
        finding.verdict(
        kept,
        "half of the WebSockets or more were sent away in less than 100 ms",
        match self.most {
            None => Untried::unasked("give --ws PATH to test it"),
            Some((away, open)) if open >= ENOUGH => Untried::missed(format!(
                "judged from {ENOUGH} WebSockets on that are sent away, and of {open} the target sent {away}"
            )),
            Some((_, open)) => Untried::missed(format!(
                "judged from {ENOUGH} WebSockets on, and {open} were open at the signal: give --ws-clients 50"
            )),
        },
    )
    }
}

/// When each that was open at the signal was sent away, in order.
fn sent_away(round: &Round) -> Vec<Instant> {
    let mut moments: Vec<Instant> = open_at_the_signal(round)
        .filter_map(|socket| socket.sent_away())
        .collect();
    moments.sort_unstable();
    moments
}

/// The shortest time that has half of them in it.
fn shortest_half(moments: &[Instant]) -> Option<(Instant, Instant)> {
    if moments.len() < ENOUGH {
        return None;
    }
    moments
        .windows(moments.len().div_ceil(2))
        .filter_map(|half| Some((*half.first()?, *half.last()?)))
        .min_by_key(|(from, until)| *until - *from)
}

/// The longest that the prover stood still around a time. As soon as it goes on it sees all that has arrived: so it is
/// one stall, not their sum, that can gather what was apart or part what was together. One that ends where the time
/// begins counts: what arrived in it was seen there.
fn stood_still(round: &Round, from: Instant, until: Instant) -> Duration {
    let around = round
        .stalls
        .iter()
        .filter(|stall| stall.until + AT_ONCE / 10 >= from && stall.from <= until);
    around
        .map(|stall| stall.until - stall.from)
        .max()
        .unwrap_or_default()
}
