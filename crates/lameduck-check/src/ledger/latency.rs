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

/// The longest that answers took before the signal of a round.
pub(crate) struct Latencies<'a>(HashMap<(Lane, &'a str), (usize, Duration)>);

impl<'a> Latencies<'a> {
    pub(crate) fn before_the_signal(round: &'a Round) -> Self {
        let mut longest: HashMap<(Lane, &str), (usize, Duration)> = HashMap::new();
        let signal = round.signalled();
        let answered = round.exchanges.iter().filter(|it| it.ending.is_answered());
        for exchange in answered.filter(|it| it.ended < signal) {
            let key = (exchange.lane, exchange.request.path());
            let (count, most) = longest.entry(key).or_default();
            *count += 1;
            *most = exchange.took().max(*most);
        }
        Self(longest)
    }

    /// The longest before, if an answer took far longer than that.
    pub(crate) fn exceeded(&self, exchange: &Exchange, allowance: Duration) -> Option<Duration> {
        let key = (exchange.lane, exchange.request.path());
        let &(count, longest) = self.0.get(&key)?;
        let limit = (longest * TIMES).max(longest + MORE) + allowance;
        (count >= ENOUGH && exchange.took() > limit).then_some(longest)
    }
}
