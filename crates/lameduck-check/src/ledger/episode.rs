//! An episode: something outside replaces or stops what serves, under load before, during and after.
//!
//! It is a [`Round`](super::Round) whose signal is the beginning of the trigger, and whose end is the trigger's end.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Ending, Parting, Round};

/// What a round of [`RoundKind::Episode`](super::RoundKind::Episode) has beside the others.
#[derive(Clone, Debug)]
pub struct Episode {
    /// When the load before the trigger began to count.
    pub began: Instant,
    /// When the load after the trigger ended.
    pub ended: Instant,
    /// Whether the trigger was to fail, and the old version to serve on.
    pub expect_rollback: bool,
    /// The end of what the trigger wrote.
    pub output: String,
}

/// A part of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowName {
    /// Before the trigger.
    Before,
    /// From the trigger's beginning to its end.
    During,
    /// After it.
    After,
}

impl WindowName {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
        }
    }
}

/// What the clients saw in a part of an episode: a request belongs to the part in which it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeWindow {
    /// Which part.
    pub name: WindowName,
    /// How long it was, in milliseconds.
    pub ms: f64,
    /// Requests that ended in it.
    pub requests: u64,
    /// Wholly written, and no whole answer.
    pub lost: u64,
    /// Connection attempts that were refused.
    pub refused: u64,
    /// Connection attempts without an answer.
    pub unanswered: u64,
    /// Answers of 500 or above, UNAVAILABLE among them.
    pub status_5xx: u64,
    /// Answers that differ from those before.
    pub changed: u64,
    /// Connections that the server, or a proxy before it, ended: so many reconnects it forced.
    pub reconnects: u64,
    /// Half of the answers took no longer, in milliseconds; `None` without an answer.
    pub p50_ms: Option<f64>,
    /// 99 % took no longer.
    pub p99_ms: Option<f64>,
    /// 99.9 % took no longer.
    pub p999_ms: Option<f64>,
}

impl EpisodeWindow {
    /// Requests that came to a bad end.
    pub fn bad(&self) -> u64 {
        self.lost + self.refused + self.unanswered + self.status_5xx + self.changed
    }
}

impl Round {
    /// The three parts of an episode; none of any other round.
    pub fn windows(&self) -> Vec<EpisodeWindow> {
        let Some(episode) = &self.episode else {
            return Vec::new();
        };
        let (triggered, over) = (self.signalled(), self.exit.at);
        [
            (WindowName::Before, episode.began, triggered),
            (WindowName::During, triggered, over),
            (WindowName::After, over, episode.ended),
        ]
        .map(|(name, from, until)| self.window(name, from, until))
        .to_vec()
    }

    fn window(&self, name: WindowName, from: Instant, until: Instant) -> EpisodeWindow {
        // What is still under way at the end is entered a moment after it.
        let is_within = |at: Instant| match name {
            WindowName::After => at >= from,
            _ => at >= from && at < until,
        };
        let ended = self.exchanges.iter().filter(|it| is_within(it.ended));
        let count =
            |is: fn(Ending) -> bool| ended.clone().filter(|it| is(it.ending)).count() as u64;
        let answered = ended.clone().filter(|it| it.ending.is_answered());
        let mut took: Vec<Duration> = answered.map(|exchange| exchange.took()).collect();
        took.sort_unstable();
        let quantile = |share: f64| {
            let rank = (took.len() as f64 * share).ceil() as usize;
            let at = took.get(rank.saturating_sub(1))?;
            Some((at.as_secs_f64() * 1e6).round() / 1e3)
        };
        let parted = self.connections.iter().filter(|it| is_within(it.ended));
        EpisodeWindow {
            name,
            ms: (until.saturating_duration_since(from).as_secs_f64() * 1e6).round() / 1e3,
            requests: count(|_| true),
            lost: count(Ending::is_lost),
            refused: count(|ending| ending == Ending::Refused),
            unanswered: count(|ending| ending == Ending::Unanswered),
            status_5xx: count(|ending| ending == Ending::Status5xx),
            changed: count(|ending| ending == Ending::Changed),
            reconnects: parted.filter(|it| it.parting != Parting::Client).count() as u64,
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
        }
    }
}
