//! What a picture of a round shows: its requests as bars, its connections, what its probes said.

use std::time::Instant;

use super::BARS;
use super::thinned::thinned;
use crate::ledger::{
    Connection, Ending, Exchange, HealthSample, Lane, Round, Sample, Socket, Stall,
};

/// What a picture of a round shows.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Its requests, in the order they ended.
    pub requests: Vec<RequestBar>,
    /// Its connections, in the order they ended.
    pub connections: Vec<Connection>,
    /// How many connections each of them stands for: 1, or more when there were too many to keep all.
    pub connections_each: f64,
    /// Its WebSockets, in the order they ended; no more than [`BARS`](super::BARS).
    pub sockets: Vec<Socket>,
    /// When the prover itself stood still.
    pub stalls: Vec<Stall>,
    /// Looks at the readiness probe, in order: the first two and the last of those that said the same one after the other.
    pub readiness: Vec<Sample>,
    /// The same of the liveness probe.
    pub liveness: Vec<Sample>,
    /// The same of the gRPC health service.
    pub health: Vec<HealthSample>,
    /// When the first connection attempt after the signal was refused.
    pub first_refusal: Option<Instant>,
}

/// A request in a picture.
#[derive(Clone, Debug)]
pub struct RequestBar {
    /// The load.
    pub lane: Lane,
    /// The client's number in its load, from 1.
    pub client: u32,
    /// The request's number on that client, from 1.
    pub number: u32,
    /// Whether the connection had carried a request before.
    pub reused: bool,
    /// When the client began, with the connection attempt or the first byte.
    pub began: Instant,
    /// When the last byte of the request had been written.
    pub written: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// How it was over.
    pub ending: Ending,
    /// How many requests it stands for: 1, or more when there were too many to keep all.
    pub each: f64,
    /// Who sent it and what became of it, in words, where that is not what was hoped for.
    pub story: Option<String>,
}

/// Whether a picture must show it if it can: what was lost, or answered as it should not be.
fn is_told(exchange: &Exchange) -> bool {
    !matches!(
        exchange.ending,
        Ending::Ok | Ending::OkClose | Ending::Refused | Ending::Unprocessed
    )
}

impl Timeline {
    pub(super) fn of(round: &Round) -> Self {
        let exchanges = round.exchanges.iter().enumerate();
        let (told, usual): (Vec<_>, Vec<_>) = exchanges.partition(|(_, it)| is_told(it));
        let (told, told_each) = thinned(told, BARS / 2);
        let (usual, usual_each) = thinned(usual, BARS - told.len());
        let (listed, connected) = match &round.episode {
            Some(episode) => (episode.exchanges_each, episode.connections_each),
            None => (1.0, 1.0),
        };
        let usual_each = usual_each * listed;
        let bar = |(index, exchange): (usize, &Exchange), each, is_told: bool| {
            let story = is_told.then(|| {
                let evidence = round.evidence_of(exchange);
                format!("{}: {}", evidence.r#where, evidence.what)
            });
            let bar = RequestBar {
                lane: exchange.lane,
                client: exchange.client,
                number: exchange.number,
                reused: exchange.reused,
                began: exchange.began,
                written: exchange.written,
                ended: exchange.ended,
                ending: exchange.ending,
                each,
                story,
            };
            (index, bar)
        };
        let told = told.into_iter().map(|it| bar(it, told_each, true));
        let usual = usual.into_iter().map(|it| bar(it, usual_each, false));
        let mut requests: Vec<(usize, RequestBar)> = told.chain(usual).collect();
        requests.sort_unstable_by_key(|(index, _)| *index);
        let (connections, connections_each) = thinned(round.connections.clone(), BARS);
        Self {
            requests: requests.into_iter().map(|(_, bar)| bar).collect(),
            connections,
            connections_each: connections_each * connected,
            sockets: thinned(round.sockets.clone(), BARS).0,
            stalls: thinned(round.stalls.clone(), BARS).0,
            readiness: turns(&round.readiness, |one, other| one.status == other.status),
            liveness: turns(&round.liveness, |one, other| one.status == other.status),
            health: turns(&round.health, |one, other| one.health == other.health),
            first_refusal: round.first_refusal(),
        }
    }

    /// How many requests each bar stands for, at the most: 1 where all are shown.
    pub fn each(&self) -> f64 {
        self.requests.iter().map(|it| it.each).fold(1.0, f64::max)
    }
}

/// Of looks that said the same one after the other, the first two and the last: the first may have been asked before
/// the signal.
fn turns<T: Clone>(samples: &[T], is_same: impl Fn(&T, &T) -> bool) -> Vec<T> {
    let runs = samples.chunk_by(|one, other| is_same(one, other));
    let ends = runs.flat_map(|run| {
        let last = run.last().filter(|_| run.len() > 2);
        run.iter().take(2).chain(last).cloned()
    });
    thinned(ends.collect(), BARS).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RoundKind;
    use crate::ledger::specimen::round;

    #[test]
    fn a_busy_round_is_thinned_and_its_losses_are_all_there() {
        let mut round = round(RoundKind::Load);
        for n in 0..50_000 {
            let ending = match n % 1000 {
                0 => Ending::EofBeforeResponse,
                1..=100 => Ending::Refused,
                _ => Ending::Ok,
            };
            let sent = f64::from(n) / 10.0;
            round = round.with(Lane::KeepAlive, true, sent, sent + 1.0, ending);
        }
        let timeline = Timeline::of(&round);
        assert_eq!(timeline.requests.len(), BARS);
        let lost = timeline.requests.iter().filter(|it| it.ending.is_lost());
        assert_eq!(lost.clone().count(), 50);
        assert!(lost.clone().all(|it| it.each == 1.0 && it.story.is_some()));
        let all: f64 = timeline.requests.iter().map(|it| it.each).sum();
        assert!((all - 50_000.0).abs() < 1.0, "{all}");
        let in_order = |pair: &[RequestBar]| pair[0].ended <= pair[1].ended;
        assert!(timeline.requests.windows(2).all(in_order));
    }

    #[test]
    fn of_looks_at_a_probe_the_turns_are_kept() {
        let looks = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|at| (at, if at < 4.5 { 200 } else { 503 }));
        let round = round(RoundKind::Load).with_readiness(&looks);
        let kept = Timeline::of(&round).readiness;
        let asked: Vec<f64> = kept.iter().map(|it| round.at_ms(it.asked)).collect();
        assert_eq!(asked, [1.0, 2.0, 4.0, 5.0, 6.0]);
    }
}
