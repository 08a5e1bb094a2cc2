//! `notice-served`: nobody is turned away for as long as the surroundings need to notice.
//!
//! Balancers, kube-proxy and DNS send to a target for some time after its signal, whatever it says: in Kubernetes the
//! signal and the removal from the endpoints begin together, and the latter takes a second or more to arrive everywhere.
//! One trial per round, where connections are still attempted. A refusal is honest, and no loss by itself; but here the
//! client had no way to know better. Turned away is who is refused, gets no answer to a connection attempt, or a 503 to a
//! request sent after the signal.

use std::time::{Duration, Instant};

use super::Promise;
use crate::ledger::{Ending, Round, Terms};
use crate::verdict::{Finding, Untried, Verdict};

/// A timer's grain, and the time a busy machine takes to wake somebody.
const MARGIN: Duration = Duration::from_millis(10);

pub(super) struct NoticeServed {
    /// Zero: not asked for.
    notice: Duration,
    /// Until somebody was turned away, at the least.
    shortest: Option<Duration>,
}

impl NoticeServed {
    pub(super) fn anew(terms: &Terms) -> Box<dyn Promise> {
        Box::new(Self {
            notice: terms.notice.unwrap_or_default(),
            shortest: None,
        })
    }
}

impl Promise for NoticeServed {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        let signal = round.signalled();
        let until = signal + self.notice;
        let attempts = round.since_signal().filter(|it| it.began >= signal);
        if self.notice.is_zero() || attempts.count() == 0 {
            return;
        }
        let turned_away = turned_away(round);
        let first = turned_away.iter().min().copied();
        let served = first.map(|first| first.saturating_duration_since(signal));
        self.shortest = [self.shortest, served].into_iter().flatten().min();
        match first.filter(|first| *first + MARGIN < until) {
            None => finding.kept(),
            Some(first) => {
                let count = turned_away.iter().filter(|at| **at < until).count();
                let what = format!(
                    "turned away from {:+.0} ms on, {count} times until {:+.0} ms: as long as the surroundings may \
                     send here, they have to be served",
                    round.at_ms(first),
                    round.at_ms(until)
                );
                finding.broken(round.evidence(first, "new requests", what));
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let allowed = humantime::format_duration(self.notice);
        let served = self.shortest.map_or_else(
            || "nobody was turned away".to_owned(),
            |shortest| {
                format!(
                    "nobody was turned away in the first {:.2} s",
                    shortest.as_secs_f64()
                )
            },
        );
        finding.verdict(
        format!("{served}; the surroundings have {allowed} to notice (--notice)"),
        format!(
            "clients were turned away before the surroundings could notice: they have {allowed} (--notice)"
        ),
        match self.notice.is_zero() {
            false => Untried::missed("no request began after the signal"),
            true => Untried::unasked("give --notice 3s, or --ready URL, to test it"),
        },
    )
    }
}

/// When somebody was turned away who came after the signal, at the latest: a prover that stood still meanwhile has seen it
/// later than it was.
fn turned_away(round: &Round) -> Vec<Instant> {
    let signal = round.signalled();
    let moments = round
        .since_signal()
        .filter_map(|exchange| match exchange.ending {
            Ending::Refused => exchange.turned_away,
            Ending::Unanswered => {
                Some(exchange.began + round.stalled_within(exchange.began, exchange.ended))
            }
            Ending::Status5xx if round.is_honest_refusal(exchange) => exchange.written,
            _ => None,
        });
    moments.filter(|at| *at >= signal).collect()
}
