//! What is kept of an episode while it goes on: figures of each part, all that went wrong, and an even sample of the rest.
//! A deploy may take an hour.
//!
//! # What must hold
//! - Every request is counted once, in the part in which it ended.
//! - Nothing here grows with requests: of those that went wrong [`LISTED`] are kept and the others counted, of the rest at
//!   most twice [`SAMPLE`].
//! - What an answer is held against is what was answered before the trigger, and nothing else.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::before::Before;
use super::episode::{EpisodeWindow, WindowName};
use super::{Connection, Ending, Exchange, Parting, Tally};

/// Requests that went wrong of which all is kept.
const LISTED: usize = 50_000;
/// As many of the others are kept at least, if there were as many, and of the connections.
const SAMPLE: usize = 10_000;

/// What was seen so far.
pub(crate) struct Digest {
    began: Instant,
    triggered: Option<Instant>,
    over: Option<Instant>,
    before: Before,
    parts: [Part; 3],
    tally: Tally,
    listed: Vec<Exchange>,
    unlisted: u64,
    others: EvenSample<Exchange>,
    connections: EvenSample<Connection>,
}

/// What a digest comes to.
pub(crate) struct Digested {
    pub(crate) windows: Vec<EpisodeWindow>,
    pub(crate) tally: Tally,
    /// Requests since the trigger that ended as they should.
    pub(crate) good: u64,
    /// Requests that did not, beside those in `exchanges`.
    pub(crate) unlisted: u64,
    /// What went wrong, and the sample, in the order in which they ended.
    pub(crate) exchanges: Vec<Exchange>,
    /// How many requests each of the sample stands for.
    pub(crate) exchanges_each: f64,
    pub(crate) connections: Vec<Connection>,
    pub(crate) connections_each: f64,
}

struct Part {
    tally: Tally,
    /// Of those that count as refused: sent back for another connection.
    unprocessed: u64,
    reconnects: u64,
    /// How long whole answers took, in microseconds.
    micros: Histogram<u64>,
}

/// Every first, second, fourth, … of many.
struct EvenSample<T> {
    every: u64,
    seen: u64,
    kept: Vec<T>,
}

impl<T> EvenSample<T> {
    fn new() -> Self {
        Self {
            every: 1,
            seen: 0,
            kept: Vec::new(),
        }
    }

    fn see(&mut self, it: T) {
        if self.seen.is_multiple_of(self.every) {
            self.kept.push(it);
        }
        self.seen += 1;
        if self.kept.len() > 2 * SAMPLE {
            let mut index = 0;
            self.kept.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.every *= 2;
        }
    }

    fn each(&self) -> f64 {
        self.seen as f64 / self.kept.len().max(1) as f64
    }
}

impl Part {
    fn new() -> Self {
        Self {
            tally: Tally::default(),
            unprocessed: 0,
            reconnects: 0,
            // Fails only where the digits are more than five.
            micros: Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits")),
        }
    }

    fn see(&mut self, exchange: &Exchange) {
        self.tally.count(exchange.ending);
        self.unprocessed += u64::from(exchange.ending == Ending::Unprocessed);
        if exchange.ending.is_answered() {
            // It grows by itself, so that nothing is out of its range.
            let _ = self.micros.record(exchange.took().as_micros() as u64);
        }
    }

    /// Requests that ended as they should.
    fn good(&self) -> u64 {
        self.tally.ok + self.tally.ok_close
    }

    fn window(&self, name: WindowName, lasted: Duration) -> EpisodeWindow {
        let quantile = |share: f64| {
            let micros = self.micros.value_at_quantile(share);
            (!self.micros.is_empty()).then_some(micros as f64 / 1e3)
        };
        EpisodeWindow {
            name,
            ms: (lasted.as_secs_f64() * 1e6).round() / 1e3,
            requests: self.tally.requests(),
            lost: self.tally.lost(),
            refused: self.tally.refused - self.unprocessed,
            unanswered: self.tally.unanswered,
            status_5xx: self.tally.status_5xx,
            changed: self.tally.changed,
            reconnects: self.reconnects,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
        }
    }
}

impl Digest {
    /// Nothing seen yet; what ended before `began` counts nowhere, but as an example of an answer.
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            triggered: None,
            over: None,
            before: Before::default(),
            parts: [Part::new(), Part::new(), Part::new()],
            tally: Tally::default(),
            listed: Vec::new(),
            unlisted: 0,
            others: EvenSample::new(),
            connections: EvenSample::new(),
        }
    }

    /// The trigger began then. What ended before has to be seen by now, and all that is seen later is held against it.
    pub(crate) fn triggered(&mut self, at: Instant) {
        self.triggered = Some(at);
    }

    /// The trigger ended then.
    pub(crate) fn over(&mut self, at: Instant) {
        self.over = Some(at);
    }

    /// What has ended since the last look.
    pub(crate) fn see(&mut self, exchanges: Vec<Exchange>, connections: Vec<Connection>) {
        exchanges.into_iter().for_each(|it| self.see_one(it));
        for connection in connections {
            if let Some(part) = self.part(connection.ended) {
                part.reconnects += u64::from(connection.parting != Parting::Client);
            }
            self.connections.see(connection);
        }
    }

    fn see_one(&mut self, mut exchange: Exchange) {
        match self.is_triggered_by(exchange.ended) {
            true => self.before.mark(&mut exchange),
            false => self.before.see(&exchange),
        }
        self.tally.count(exchange.ending);
        // The end of a stream is judged by a promise of its own, and how long it was open is no latency.
        if exchange.is_a_stream_that_began() {
            return self.list(exchange);
        }
        if let Some(part) = self.part(exchange.ended) {
            part.see(&exchange);
        }
        let is_well = matches!(
            exchange.ending,
            Ending::Ok | Ending::OkClose | Ending::Unprocessed
        );
        match is_well {
            true => self.others.see(exchange),
            false if self.listed.len() < LISTED => self.list(exchange),
            false => self.unlisted += 1,
        }
    }

    fn list(&mut self, exchange: Exchange) {
        if self.listed.len() < LISTED {
            self.listed.push(exchange);
        }
    }

    fn is_triggered_by(&self, moment: Instant) -> bool {
        self.triggered.is_some_and(|triggered| moment >= triggered)
    }

    /// The part in which a moment is.
    fn part(&mut self, moment: Instant) -> Option<&mut Part> {
        let [before, during, after] = &mut self.parts;
        match (self.triggered, self.over) {
            (_, Some(over)) if moment >= over => Some(after),
            (Some(triggered), _) if moment >= triggered => Some(during),
            _ if moment >= self.began => Some(before),
            _ => None,
        }
    }

    /// What it comes to; the load ended at `ended`.
    pub(crate) fn digested(mut self, ended: Instant) -> Digested {
        let triggered = self.triggered.unwrap_or(ended);
        let over = self.over.unwrap_or(ended);
        let [before, during, after] = &self.parts;
        let windows = [
            (WindowName::Before, before, self.began, triggered),
            (WindowName::During, during, triggered, over),
            (WindowName::After, after, over, ended),
        ];
        let windows = windows
            .map(|(name, part, from, until)| part.window(name, until.duration_since(from)))
            .to_vec();
        let (exchanges_each, connections_each) = (self.others.each(), self.connections.each());
        let mut exchanges = self.listed;
        exchanges.append(&mut self.others.kept);
        exchanges.sort_by_key(|it| it.ended);
        let mut connections = self.connections.kept;
        connections.sort_by_key(|it| it.ended);
        Digested {
            windows,
            tally: self.tally,
            good: during.good() + after.good(),
            unlisted: self.unlisted,
            exchanges,
            exchanges_each,
            connections,
            connections_each,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::specimen::round;
    use crate::ledger::{Lane, RoundKind};

    /// Requests each millisecond around a trigger at 0 ms that ends at 1,000 ms, seen second by second.
    fn digested(from_ms: i32, until_ms: i32, ending: impl Fn(i32) -> Ending) -> Digested {
        let made_up = round(RoundKind::Episode);
        let mut digest = Digest::new(made_up.moment(f64::from(from_ms)));
        for second in (from_ms..until_ms).step_by(1000) {
            if second >= 0 {
                digest.triggered(made_up.moment(0.0));
            }
            if second >= 1000 {
                digest.over(made_up.moment(1000.0));
            }
            let mut ended = round(RoundKind::Episode);
            ended.started = made_up.started;
            let ended = (second..second + 1000).fold(ended, |round, at| {
                let at_ms = f64::from(at);
                round.with(Lane::KeepAlive, true, at_ms - 4.0, at_ms, ending(at))
            });
            digest.see(ended.exchanges, Vec::new());
        }
        digest.digested(made_up.moment(f64::from(until_ms)))
    }

    #[test]
    fn every_request_is_counted_in_the_part_in_which_it_ended() {
        let lossy = |at| match at {
            500 => Ending::EofBeforeResponse,
            1500 => Ending::Refused,
            _ => Ending::Ok,
        };
        let it = digested(-3000, 4000, lossy);
        let counts: Vec<_> = it
            .windows
            .iter()
            .map(|it| (it.requests, it.lost, it.refused))
            .collect();
        assert_eq!(counts, [(3000, 0, 0), (1000, 1, 0), (3000, 0, 1)]);
        assert_eq!((it.good, it.unlisted, it.tally.requests()), (3998, 0, 7000));
        assert!(
            it.windows.iter().all(|it| it.p999_ms == Some(4.001)),
            "{:?}",
            it.windows
        );
    }

    #[test]
    fn what_is_kept_does_not_grow_with_requests() {
        let it = digested(-1000, 99_000, |at| match at {
            0..60_000 => Ending::Status5xx,
            _ => Ending::Ok,
        });
        let bad = it
            .exchanges
            .iter()
            .filter(|it| it.ending == Ending::Status5xx);
        assert_eq!((bad.count(), it.unlisted), (LISTED, 10_000));
        let sampled = it.exchanges.len() - LISTED;
        assert!((SAMPLE..=2 * SAMPLE).contains(&sampled), "{sampled}");
        assert!((sampled as f64 * it.exchanges_each - 40_000.0).abs() < 1.0);
        assert!(it.exchanges.is_sorted_by_key(|it| it.ended));
        assert_eq!(it.tally.requests(), 100_000);
    }
}
