//! How long answers took, as histograms: two digits that matter, whatever the number of requests.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::ledger::{Lane, Round};
use crate::verdict::Moment;

/// How long the answers of one load took, in one part of the shutdown, from when each request should have begun.
#[derive(Clone, Debug)]
pub struct LatencyRow {
    /// The round trip that lay between clients and target.
    pub rtt: Duration,
    /// The load.
    pub lane: Lane,
    /// The part of the shutdown in which they ended.
    pub part: Moment,
    /// Microseconds.
    micros: Histogram<u64>,
}

impl LatencyRow {
    /// Whole responses.
    pub fn answers(&self) -> u64 {
        self.micros.len()
    }

    /// What this share of them (0 to 1) took at most, to two digits that matter.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.micros.value_at_quantile(share))
    }

    /// The longest, to two digits that matter.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.micros.max())
    }
}

/// Adds the answers of a round.
pub(super) fn count(rows: &mut Vec<LatencyRow>, round: &Round) {
    let clock = round.clock();
    let answered = round.exchanges.iter().filter(|it| it.ending.is_answered());
    for exchange in answered {
        let (rtt, lane, part) = (round.rtt, exchange.lane, clock.part(exchange.ended));
        let is_same = |it: &LatencyRow| (it.rtt, it.lane, it.part) == (rtt, lane, part);
        let index = rows.iter().position(is_same).unwrap_or_else(|| {
            // Fails only where the digits are more than five.
            let micros = Histogram::new(2).unwrap_or_else(|_| unreachable!("two digits"));
            rows.push(LatencyRow {
                rtt,
                lane,
                part,
                micros,
            });
            rows.len() - 1
        });
        let took = exchange.took().as_micros() as u64;
        // It grows as it has to, and has room for thousands of years.
        let _ = rows[index].micros.record(took.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::specimen::round;
    use crate::ledger::{Ending, RoundKind};

    #[test]
    fn answers_are_told_apart_by_load_and_part_of_the_shutdown() {
        let mut rows = Vec::new();
        let round = (0..100).fold(round(RoundKind::Load), |round, n| {
            let sent = -500.0 + f64::from(n);
            round
                .with(Lane::KeepAlive, true, sent, sent + f64::from(n), Ending::Ok)
                .with(Lane::PerRequest, false, 10.0, 30.0, Ending::OkClose)
                .with(Lane::PerRequest, false, 10.0, 90.0, Ending::Refused)
        });
        count(&mut rows, &round);
        let [near, late] = &rows[..] else {
            panic!("{rows:?}")
        };
        assert_eq!(
            (near.lane, near.part),
            (Lane::KeepAlive, Moment::BeforeSignal)
        );
        assert_eq!((late.lane, late.part), (Lane::PerRequest, Moment::Stopping));
        assert_eq!((near.answers(), late.answers()), (100, 100));
        let half = near.quantile(0.5).as_secs_f64() * 1e3;
        assert!((48.0..52.0).contains(&half), "{half}");
        let longest = late.longest().as_secs_f64() * 1e3;
        assert!((19.5..20.5).contains(&longest), "{longest}");
    }
}
