//! An episode: something outside replaces or stops what serves, under load before, during and after.
//!
//! It is a [`Round`](super::Round) whose signal is the beginning of the trigger, and whose end is the trigger's end.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Round, Tally};

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
    /// Before, during and after the trigger.
    pub windows: Vec<EpisodeWindow>,
    /// All requests, counted by their end.
    pub tally: Tally,
    /// Requests since the trigger that ended as they should.
    pub good: u64,
    /// Requests that went wrong beside those that are listed one by one.
    pub unlisted: u64,
    /// How many requests each stands for of those that are listed and went well.
    pub exchanges_each: f64,
    /// How many connections each stands for that is listed.
    pub connections_each: f64,
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
    /// Who may have ended a connection, for evidence. In an episode a proxy may be in between.
    pub(crate) fn by_whom(&self) -> &'static str {
        match self.episode {
            None => "",
            Some(_) => {
                "; by the server, or by a proxy before it, which ends on both sides what ended on one"
            }
        }
    }

    /// The three parts of an episode; none of any other round.
    pub fn windows(&self) -> &[EpisodeWindow] {
        self.episode.as_ref().map_or(&[], |it| &it.windows)
    }
}
