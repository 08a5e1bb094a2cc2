//! The report as one value: everything that a run comes to, in words and figures that mean the same elsewhere.
//!
//! # What must hold
//! - The table, the JSON, the page and the JUnit file are pure functions of it: none of them looks at the run again.
//! - It can be written as JSON and read again, and then comes to the same table, page and JUnit file.
//! - Times are milliseconds; those of a round count from its first signal, and are negative before it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::episode_report::EpisodeReport;
use super::remarks::remarks;
use super::round_picture::RoundPicture;
use super::round_report::{RoundReport, millis};
use super::summary;
use crate::explain::{KnownFact, explain};
use crate::ledger::{RoundKind, Tally};
use crate::run::RunOutcome;
use crate::trace::LatencyRow;
use crate::verdict::{Class, Evidence, Judgement, Moment, Shutdowns, Verdict};

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The command that was tested.
    pub target: String,
    /// Rounds under load.
    pub rounds: u32,
    /// The seed.
    pub seed: u64,
    /// The round trip of the first round.
    pub rtt_ms: f64,
    /// Every round trip, in order.
    pub rtts_ms: Vec<f64>,
    /// The shutdowns under load, and those in which a client lost something.
    pub losses: Shutdowns,
    /// Why the run ended before its last round, if it did.
    pub cut_short: Option<String>,
    /// One verdict per promise that the prover knows, class by class.
    pub promises: Vec<PromiseReport>,
    /// What the verdicts come to: the exit code of `lameduck check`.
    pub exit_code: u8,
    /// How many promises were judged how.
    pub summary: String,
    /// Why it is this exit code.
    pub ruling: String,
    /// Whether it is all right that something asked for was not tried or is undecided.
    pub allow_untested: bool,
    /// What makes these figures worth less than they seem, in words.
    pub remarks: Vec<String>,
    /// Every request of the rounds under load, counted by its end.
    pub outcomes: Tally,
    /// Of the rounds under load, as is `exit`.
    pub signal_to_exit_ms: Vec<f64>,
    /// As a shell shows it: the code, or 128 + the signal; `None` if nobody saw it.
    pub exit: Vec<Option<i32>>,
    /// Runs of a trigger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub episodes: Vec<EpisodeReport>,
    /// The prover's version.
    pub version: String,
    /// When the run was over, as RFC 3339 has it, in UTC.
    pub made_at: String,
    /// The signal that was sent, like `SIGTERM`.
    pub signal: String,
    /// What the target had from the signal to its end.
    pub grace_ms: f64,
    /// How long the whole run took.
    pub took_ms: f64,
    /// Every start and stop, in order, whatever it was for.
    pub all_rounds: Vec<RoundReport>,
    /// How long answers took in the rounds under load.
    pub latency: Vec<LatencyFigures>,
    /// Some rounds as pictures: by far the largest part. Whoever serializes a report as it is leaves them out.
    #[serde(default, skip_serializing)]
    pub pictures: Vec<RoundPicture>,
}

/// The verdict on one promise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromiseReport {
    /// Its stable name.
    pub name: String,
    /// Who is hurt when it is broken.
    pub class: Class,
    /// Kept, broken, undecided or skipped.
    pub verdict: Judgement,
    /// Whether what was set asks for it.
    pub asked: bool,
    /// Whether the baseline says that it is known to be broken.
    pub accepted: bool,
    /// Whether its verdict can change the exit code.
    pub counts: bool,
    /// How often it was tried.
    pub trials: u64,
    /// How often it was broken.
    pub failures: u64,
    /// Failures beside these that may be the prover's own doing.
    pub undecided: u64,
    /// The highest rate of failures that the trials do not rule out at 95 %. 1 without trials.
    pub bound95: f64,
    /// The same by shutdown.
    pub shutdowns: Shutdowns,
    /// The verdict in a sentence.
    pub why: String,
    /// What was seen to go wrong, the first twenty pieces.
    pub evidence: Vec<Evidence>,
    /// Where it is broken: what is known of that in the server whose preset the target has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownFact>,
}

impl PromiseReport {
    pub(super) fn is_broken(&self) -> bool {
        self.verdict == Judgement::Broken
    }

    /// Whether it was asked for and not tried, or is undecided.
    pub(super) fn is_open(&self) -> bool {
        match self.verdict {
            Judgement::Undecided => true,
            Judgement::Skipped => self.asked,
            Judgement::Kept | Judgement::Broken => false,
        }
    }
}

/// How long the answers of one load took, in one part of the shutdown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyFigures {
    /// The round trip.
    pub rtt_ms: f64,
    /// The load.
    pub load: String,
    /// The part of the shutdown in which they ended.
    pub part: Moment,
    /// Whole responses.
    pub answers: u64,
    /// What half of them took at most, to two digits that matter.
    pub p50_ms: f64,
    /// What 99 of a hundred took at most.
    pub p99_ms: f64,
    /// What 999 of a thousand took at most.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl LatencyFigures {
    fn of(row: &LatencyRow) -> Self {
        let at = |share| millis(row.quantile(share));
        Self {
            rtt_ms: millis(row.rtt),
            load: row.lane.to_string(),
            part: row.part,
            answers: row.answers(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: millis(row.longest()),
        }
    }
}

impl CheckReport {
    /// The report on a run.
    pub fn of(outcome: &RunOutcome) -> Self {
        let trace = &outcome.trace;
        let all_rounds: Vec<RoundReport> = trace.rounds.iter().map(RoundReport::of_trace).collect();
        let load_rounds = || {
            let load = RoundKind::Load.to_string();
            all_rounds.iter().filter(move |round| round.kind == load)
        };
        let rtts_ms: Vec<f64> = trace.rtts().into_iter().map(millis).collect();
        let ruling = outcome.ruling();
        let promises = outcome.verdicts.iter();
        let promises = promises.map(|verdict| promise(verdict, outcome));
        let promises: Vec<PromiseReport> = promises.collect();
        Self {
            target: outcome.target.clone(),
            rounds: outcome.rounds,
            seed: outcome.seed,
            rtt_ms: rtts_ms.first().copied().unwrap_or_default(),
            rtts_ms,
            losses: rounded(outcome.losses()),
            cut_short: outcome.cut_short.clone(),
            exit_code: ruling.exit_code(),
            summary: summary::summary(&promises),
            ruling: summary::ruling(ruling, &promises),
            allow_untested: outcome.rules.allow_untested,
            promises,
            remarks: remarks(outcome),
            outcomes: outcome.tally,
            signal_to_exit_ms: load_rounds().map(|it| it.signal_to_exit_ms).collect(),
            exit: load_rounds().map(|it| it.exit).collect(),
            episodes: trace.rounds.iter().filter_map(EpisodeReport::of).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: moment(outcome.ended_at),
            signal: outcome.terms.signal.to_string(),
            grace_ms: millis(outcome.terms.grace),
            took_ms: millis(outcome.took),
            latency: trace.latencies.iter().map(LatencyFigures::of).collect(),
            pictures: trace.rounds.iter().filter_map(RoundPicture::of).collect(),
            all_rounds,
        }
    }

    pub(super) fn of_class(&self, class: Class) -> impl Iterator<Item = &PromiseReport> {
        self.promises.iter().filter(move |it| it.class == class)
    }

    pub(super) fn load_rounds(&self) -> impl Iterator<Item = &RoundReport> {
        let load = RoundKind::Load.to_string();
        self.all_rounds.iter().filter(move |it| it.kind == load)
    }
}

/// To the second.
pub(super) fn moment(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// A bound to twelve digits: more would not be read again as they were written by every reader of JSON.
fn digits(bound: f64) -> f64 {
    (bound * 1e12).round() / 1e12
}

fn rounded(shutdowns: Shutdowns) -> Shutdowns {
    Shutdowns {
        bound95: digits(shutdowns.bound95),
        ..shutdowns
    }
}

fn promise(verdict: &Verdict, outcome: &RunOutcome) -> PromiseReport {
    PromiseReport {
        name: verdict.name.to_owned(),
        class: verdict.class,
        verdict: verdict.judgement,
        asked: verdict.asked,
        accepted: verdict.accepted,
        counts: outcome.rules.counts(verdict),
        trials: verdict.trials,
        failures: verdict.failures,
        undecided: verdict.undecided,
        bound95: digits(verdict.bound95),
        shutdowns: rounded(verdict.shutdowns),
        why: verdict.why.clone(),
        evidence: verdict.evidence.clone(),
        known: match (verdict.judgement, &outcome.preset) {
            (Judgement::Broken, Some(preset)) => known(verdict.name, preset),
            _ => Vec::new(),
        },
    }
}

/// What is known of a server where it breaks this promise.
fn known(promise: &str, preset: &str) -> Vec<KnownFact> {
    let facts = explain(promise).map_or_else(Vec::new, |it| it.known);
    facts.into_iter().filter(|fact| fact.of == preset).collect()
}
