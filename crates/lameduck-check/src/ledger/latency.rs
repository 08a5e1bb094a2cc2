//! How long answers took before the signal, load by load and question by question, and whether the target was saturated.

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

/// It is too when so many quick requests wait at the signal, a quarter of those in flight or more (who comes at a constant
/// rate has only just come)...
const WAITING: usize = 5;
const WAITING_SHARE: usize = 4;
/// ...that have waited for twice as long as the shortest answer took, and so much more.
const WAITED_MORE: Duration = Duration::from_millis(50);

/// How long answers took before the signal of a round, each list in order.
pub(crate) struct Latencies<'a> {
    took: HashMap<(Lane, &'a str), Vec<Duration>>,
    /// Of the quick requests that had no answer at the signal: how long they had waited.
    waiting: Vec<(&'a str, Duration)>,
}

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
        let in_flight = round.exchanges.iter().filter(|it| it.in_flight_at(signal));
        let waiting = in_flight
            .filter(|it| it.lane.is_quick())
            .filter_map(|it| Some((it.request.path(), signal.duration_since(it.written?))))
            .collect();
        Self { took, waiting }
    }

    /// The longest before, if an answer took far longer than that.
    pub(crate) fn exceeded(&self, exchange: &Exchange, allowance: Duration) -> Option<Duration> {
        let took = self.took.get(&(exchange.lane, exchange.request.path()))?;
        let longest = *took.last()?;
        let limit = (longest * TIMES).max(longest + MORE) + allowance;
        (took.len() >= ENOUGH && exchange.took() > limit).then_some(longest)
    }

    /// Whether requests had to queue at the signal, in words: quick ones took many times as long as they need, or those that
    /// waited then had waited for longer than they need.
    pub(crate) fn saturation(&self) -> Option<String> {
        let what = self.slow_answers().or_else(|| self.long_waits())?;
        Some(format!(
            "the target was saturated before the signal, {what}; fewer clients (--clients, --per-request) test its \
             shutdown and not its queue"
        ))
    }

    fn shortest_of(&self, path: &str) -> Option<Duration> {
        let same = self.took.iter().filter(|((_, other), _)| *other == path);
        same.filter_map(|(_, took)| took.first()).min().copied()
    }

    fn slow_answers(&self) -> Option<String> {
        let quick = self
            .took
            .iter()
            .filter(|((lane, _), took)| lane.is_quick() && took.len() >= ENOUGH);
        let queued = quick.filter_map(|((_, path), took)| {
            let (shortest, half) = (self.shortest_of(path)?, took[took.len() / 2]);
            let is_queued = half > shortest * QUEUED && half > shortest + QUEUED_MORE;
            is_queued.then_some((half, shortest))
        });
        let (half, shortest) = queued.max()?;
        Some(format!(
            "half of its answers took {:.0} ms or more and the shortest {:.0} ms",
            half.as_secs_f64() * 1e3,
            shortest.as_secs_f64() * 1e3
        ))
    }

    fn long_waits(&self) -> Option<String> {
        let all = self.waiting.len();
        let has_waited = |(path, waited): &&(&str, Duration)| {
            let shortest = self.shortest_of(path);
            shortest.is_some_and(|shortest| *waited > shortest * 2 + WAITED_MORE)
        };
        let long: Vec<_> = self.waiting.iter().filter(has_waited).collect();
        let longest = long.iter().map(|(_, waited)| *waited).max()?;
        (long.len() >= WAITING && long.len() * WAITING_SHARE >= all).then(|| {
            format!(
                "{} of {all} quick requests had waited for far longer than an answer takes, one for {:.0} ms",
                long.len(),
                longest.as_secs_f64() * 1e3
            )
        })
    }
}
