//! One shutdown as data for a picture of it: lists of equal length in place of objects, so that ten thousand requests
//! stay small.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::round_report::millis;
use crate::ledger::{Ending, Parting, Sample};
use crate::trace::{RoundTrace, Timeline};

/// One shutdown as data for a picture. Times are milliseconds from the first signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundPicture {
    /// The round's number.
    pub round: u32,
    /// What it was for.
    pub kind: String,
    /// The round trip.
    pub rtt_ms: f64,
    /// When each signal was sent.
    pub signals_ms: Vec<f64>,
    /// When the target ended.
    pub exit_ms: f64,
    /// How, in a few words.
    pub exit: String,
    /// It ended by itself with exit 0.
    pub is_clean: bool,
    /// When the first connection attempt was refused.
    pub listener_closed_ms: Option<f64>,
    /// Requests that were lost.
    pub lost: u64,
    /// The names of the loads.
    pub loads: Vec<String>,
    /// Its requests.
    pub requests: RequestColumns,
    /// WebSockets: opened, ended, and whether it was not sent away in good order.
    pub sockets: Vec<(f64, f64, bool)>,
    /// The readiness probe: when it was answered, and whether by 200.
    pub readiness: Vec<(f64, bool)>,
    /// The liveness probe.
    pub liveness: Vec<(f64, bool)>,
    /// When the prover itself stood still: from, until.
    pub stalls: Vec<(f64, f64)>,
}

/// Requests, a list for each of their properties.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestColumns {
    /// An index into the names of the loads.
    pub load: Vec<usize>,
    /// The client's number in its load, from 1.
    pub client: Vec<u32>,
    /// The request's number on that client, from 1.
    pub number: Vec<u32>,
    /// When it began.
    pub began_ms: Vec<f64>,
    /// How long it took.
    pub took_ms: Vec<f64>,
    /// How it ended: a number for each ending, as the page has them.
    pub ending: Vec<usize>,
    /// 1 where the connection had carried a request before.
    pub reused: Vec<u8>,
    /// How many requests each stands for; left out where that is one, for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<Vec<f64>>,
    /// Who sent it and what became of it, by its place in the lists, where it is not what was hoped for.
    pub stories: BTreeMap<usize, String>,
}

/// The endings, in the order of their numbers in a picture; the page has the same list.
const ENDINGS: [Ending; 11] = [
    Ending::Ok,
    Ending::OkClose,
    Ending::Refused,
    Ending::Unanswered,
    Ending::Unprocessed,
    Ending::ResetBeforeResponse,
    Ending::EofBeforeResponse,
    Ending::Truncated,
    Ending::Changed,
    Ending::Status5xx,
    Ending::Timeout,
];

impl RoundPicture {
    /// The picture of a round, if what it needs was kept, and there were requests in it.
    pub(super) fn of(round: &RoundTrace) -> Option<Self> {
        let seen = round.timeline.as_deref()?;
        if seen.requests.is_empty() && seen.sockets.is_empty() {
            return None;
        }
        // Hundredths of a millisecond are finer than a pixel.
        let at = |moment: Instant| (round.at_ms(moment) * 100.0).round() / 100.0;
        let probe = |samples: &[Sample]| {
            // A process closes its sockets a moment before its end can be seen.
            let lived = samples.iter().filter(|it| it.answered < round.exit.at);
            lived.map(|it| (at(it.answered), it.is_good())).collect()
        };
        let mut loads = Vec::new();
        let requests = columns(seen, &mut loads, at);
        Some(Self {
            round: round.number,
            kind: round.kind.to_string(),
            rtt_ms: millis(round.rtt),
            signals_ms: round.signals.iter().copied().map(at).collect(),
            exit_ms: at(round.exit.at),
            exit: round.exit.in_brief(),
            is_clean: round.exit.code == Some(0) && !round.exit.killed,
            listener_closed_ms: seen.first_refusal.map(at),
            lost: round.tally.lost(),
            loads,
            requests,
            sockets: seen
                .sockets
                .iter()
                .map(|it| {
                    let is_cut =
                        it.cut.is_some() || matches!(it.parting, Parting::Reset | Parting::Torn);
                    (at(it.opened), at(it.ended), is_cut)
                })
                .collect(),
            readiness: probe(&seen.readiness),
            liveness: probe(&seen.liveness),
            stalls: seen
                .stalls
                .iter()
                .map(|it| (at(it.from), at(it.until)))
                .collect(),
        })
    }
}

fn columns(
    seen: &Timeline,
    loads: &mut Vec<String>,
    at: impl Fn(Instant) -> f64,
) -> RequestColumns {
    let mut columns = RequestColumns::default();
    // Lanes in the order in which a reader meets them, whichever ended first.
    let mut lanes: Vec<_> = seen.requests.iter().map(|it| it.lane).collect();
    lanes.sort_by_key(|lane| *lane as u8);
    lanes.dedup();
    loads.extend(lanes.iter().map(ToString::to_string));
    for (index, bar) in seen.requests.iter().enumerate() {
        let began = at(bar.began);
        let took = at(bar.ended) - began;
        columns.load.push(
            lanes
                .iter()
                .position(|it| *it == bar.lane)
                .unwrap_or_default(),
        );
        columns.client.push(bar.client);
        columns.number.push(bar.number);
        columns.began_ms.push(began);
        columns.took_ms.push((took * 100.0).round() / 100.0);
        columns.ending.push(
            ENDINGS
                .iter()
                .position(|it| *it == bar.ending)
                .unwrap_or_default(),
        );
        columns.reused.push(u8::from(bar.reused));
        if let Some(story) = &bar.story {
            columns.stories.insert(index, story.clone());
        }
    }
    if seen.each() > 1.0 {
        columns.stands_for = Some(seen.requests.iter().map(|it| it.each).collect());
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_a_number_and_the_page_has_the_same() {
        let page = include_str!("page/page.js");
        let line = page.lines().find(|line| line.starts_with("const ENDINGS"));
        let names: Vec<&str> = line.unwrap().split('"').skip(1).step_by(2).collect();
        assert_eq!(names.len(), ENDINGS.len());
        for (ending, name) in ENDINGS.iter().zip(names) {
            let debug = format!("{ending:?}").to_lowercase();
            assert_eq!(debug, name.replace('_', ""), "in the same order");
        }
    }
}
