//! How long answers took before the signal, load by load and question by question.

use std::collections::HashMap;
use std::time::Duration;

use super::{Exchange, Lane, Round};

/// Answers before the signal from which on it is known how long they take.
const ENOUGH: usize = 5;
/// So many times as long as the longest before is another kind of answer...
const TIMES: u32 = 4;
/// ...and so is this much more, if that is later still: a busy machine costs a few hundred milliseconds.
const MORE: Duration = Duration::from_millis(500);

/// A target is saturated when half of its answers take so many times as long as the shortest...
const QUEUED: u32 = 10;
/// ...and so much more.
const QUEUED_MORE: Duration = Duration::from_millis(250);

/// How long answers took before the signal of a round, each list in order.
pub(crate) struct Latencies<'a>(HashMap<(Lane, &'a str), Vec<Duration>>);

impl<'a> Latencies<'a> {
    pub(crate) fn before_the_signal(round: &'a Round) -> Self {
        let mut took: HashMap<(Lane, &str), Vec<Duration>> = HashMap::new();
        let signal = round.signalled();
        let answered = round.exchanges.iter().filter(|it| it.ending.is_answered());
        for exchange in answered.filter(|it| it.ended < signal) {
            let key = (exchange.lane, exchange.request.path());
            took.entry(key).or_default().push(exchange.took());
        }
        took.values_mut().for_each(|it| it.sort_unstable());
        Self(took)
    }

    /// The longest before, if an answer took far longer than that.
    pub(crate) fn exceeded(&self, exchange: &Exchange, allowance: Duration) -> Option<Duration> {
        let took = self.0.get(&(exchange.lane, exchange.request.path()))?;
        let longest = *took.last()?;
        let limit = (longest * TIMES).max(longest + MORE) + allowance;
        (took.len() >= ENOUGH && exchange.took() > limit).then_some(longest)
    }

    /// Whether requests had to queue before the signal, in words: quick ones took many times as long as they need.
    pub(crate) fn saturation(&self) -> Option<String> {
        let quick = self.0.iter().filter(|((lane, _), took)| {
            matches!(lane, Lane::KeepAlive | Lane::Pool | Lane::PerRequest) && took.len() >= ENOUGH
        });
        let shortest_of = |path: &str| {
            let same = self.0.iter().filter(|((_, other), _)| *other == path);
            same.filter_map(|(_, took)| took.first()).min().copied()
        };
        let queued = quick.filter_map(|((_, path), took)| {
            let (shortest, half) = (shortest_of(path)?, took[took.len() / 2]);
            let is_queued = half > shortest * QUEUED && half > shortest + QUEUED_MORE;
            is_queued.then_some((half, shortest))
        });
        let (half, shortest) = queued.max()?;
        Some(format!(
            "the target was saturated before the signal, half of its answers took {:.0} ms or more and the shortest {:.0} ms; \
             fewer clients (--clients, --per-request) test its shutdown and not its queue",
            half.as_secs_f64() * 1e3,
            shortest.as_secs_f64() * 1e3
        ))
    }
}
