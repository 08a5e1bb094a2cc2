//! What is kept of a run once its rounds have been judged: figures of every round, a picture of some.
//!
//! # What must hold
//! - Nothing here grows with requests: a round is a few figures, a picture has at most [`BARS`] of each kind, and there
//!   are at most [`LOSSY`] pictures beside the first of each kind of round.
//! - What a picture leaves out is left out evenly and counted: each bar says how many it stands for.

mod latency;
mod thinned;
mod timeline;

use std::time::{Duration, Instant};

use crate::books::Audit;
use crate::ledger::{EpisodeWindow, Latencies, Round, RoundClock, RoundKind, Tally};
use crate::target::ProcessExit;

pub use latency::LatencyRow;
pub use timeline::{RequestBar, Timeline};

/// Rounds with a loss of which a picture is kept, beside the first at each round trip.
pub const LOSSY: usize = 5;
/// Requests that a picture shows, at most; as many connections; and as many looks at each probe.
pub const BARS: usize = 10_000;

/// What is kept of one round.
#[derive(Clone, Debug)]
pub struct RoundTrace {
    /// Its number in the whole run, from 1.
    pub number: u32,
    /// What it was for.
    pub kind: RoundKind,
    /// The round trip that lay between clients and target.
    pub rtt: Duration,
    /// When the target was started.
    pub started: Instant,
    /// When it was ready; `None` when the signal came before.
    pub ready_at: Option<Instant>,
    /// When each signal was sent; never empty.
    pub signals: Vec<Instant>,
    /// How the target ended.
    pub exit: ProcessExit,
    /// What got the signal, where the command itself had gone into the background.
    pub followed: Option<String>,
    /// What a trigger wrote, the end of it, in an episode.
    pub trigger_output: Option<String>,
    /// Before, during and after the trigger, in an episode.
    pub windows: Vec<EpisodeWindow>,
    /// Its requests, counted by their end.
    pub tally: Tally,
    /// Whether a client lost something in it that counts.
    pub is_lossy: bool,
    /// What the prover itself lacked, and how often.
    pub shortages: Vec<(&'static str, u64)>,
    /// Addresses of the target's name where nobody listened.
    pub unserved: Vec<String>,
    /// Why its figures say less than they seem, if the target was saturated before the signal.
    pub saturated: Option<String>,
    /// The target's own books, without the ids in them.
    pub audit: Option<Audit>,
    /// What the target wrote after the first signal, where there is a [`timeline`](Self::timeline).
    pub said_after_signal: String,
    /// Everything that a picture of it shows: of the first round of each kind and round trip, and of the first few with
    /// a loss.
    pub timeline: Option<Box<Timeline>>,
}

impl RoundTrace {
    /// Without what only a picture needs, if it is not to be shown.
    pub(crate) fn of(round: &Round, is_lossy: bool, is_shown: bool) -> Self {
        let is_load = round.kind == RoundKind::Load;
        let saturated = is_load
            .then(|| Latencies::before_the_signal(round).saturation())
            .flatten();
        Self {
            number: round.number,
            kind: round.kind,
            rtt: round.rtt,
            started: round.started,
            ready_at: round.ready_at,
            signals: round.signals.clone(),
            exit: round.exit,
            followed: round
                .tree
                .as_ref()
                .and_then(|tree| Some(tree.followed.as_ref()?.command.clone())),
            trigger_output: round.episode.as_ref().map(|it| it.output.clone()),
            windows: round.windows().to_vec(),
            tally: round.tally(),
            is_lossy,
            shortages: round.shortages.clone(),
            unserved: round.unserved.clone(),
            saturated,
            audit: round.audit.as_ref().map(|audit| Audit {
                listed: None,
                ..*audit
            }),
            said_after_signal: match is_shown {
                true => round.said_after_signal.clone(),
                false => String::new(),
            },
            timeline: is_shown.then(|| Box::new(Timeline::of(round))),
        }
    }

    fn clock(&self) -> RoundClock {
        RoundClock {
            number: self.number,
            signal: self.signalled(),
            exit: self.exit.at,
        }
    }

    /// The first signal: the zero of this round's clock.
    pub fn signalled(&self) -> Instant {
        self.signals.first().copied().unwrap_or(self.started)
    }

    /// Milliseconds from the first signal to a moment; negative before it.
    pub fn at_ms(&self, moment: Instant) -> f64 {
        self.clock().at_ms(moment)
    }

    /// From the first signal to the target's end.
    pub fn signal_to_exit(&self) -> Duration {
        self.exit.at.saturating_duration_since(self.signalled())
    }
}

/// What is kept of all rounds.
#[derive(Clone, Debug, Default)]
pub struct RunTrace {
    /// Every round, in order.
    pub rounds: Vec<RoundTrace>,
    /// How long answers took in the rounds under load: for each round trip, load and part of the shutdown.
    pub latencies: Vec<LatencyRow>,
}

impl RunTrace {
    /// Keeps of a round what is to be kept.
    pub(crate) fn see(&mut self, round: &Round, is_lossy: bool) {
        let is_first = !self
            .rounds
            .iter()
            .any(|it| it.kind == round.kind && it.rtt == round.rtt);
        let lossy = self.rounds.iter().filter(|it| it.is_lossy).count();
        let is_shown = is_first || (is_lossy && lossy < LOSSY);
        if round.kind == RoundKind::Load {
            latency::count(&mut self.latencies, round);
        }
        self.rounds.push(RoundTrace::of(round, is_lossy, is_shown));
    }

    /// The rounds of one kind.
    pub fn of(&self, kind: RoundKind) -> impl Iterator<Item = &RoundTrace> {
        self.rounds.iter().filter(move |round| round.kind == kind)
    }

    /// The rounds in which clients are at work while something stops: those under load, and episodes.
    pub fn shutdowns(&self) -> impl Iterator<Item = &RoundTrace> {
        let kinds = [RoundKind::Load, RoundKind::Episode];
        let is_one = move |round: &&RoundTrace| kinds.contains(&round.kind);
        self.rounds.iter().filter(is_one)
    }

    /// The rounds under load: those that most promises are read from.
    pub fn load_rounds(&self) -> impl Iterator<Item = &RoundTrace> {
        self.of(RoundKind::Load)
    }

    /// The round trips that the loads had, in order.
    pub fn rtts(&self) -> Vec<Duration> {
        let mut rtts: Vec<Duration> = self.shutdowns().map(|round| round.rtt).collect();
        rtts.dedup();
        rtts
    }

    /// The requests of the rounds under load, counted by their end.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.shutdowns().for_each(|round| tally += round.tally);
        tally
    }

    /// From start to ready, the shortest that was seen.
    pub(crate) fn shortest_start_up(&self) -> Option<Duration> {
        let took = |round: &RoundTrace| {
            let ready = round.ready_at?;
            Some(ready.saturating_duration_since(round.started))
        };
        self.rounds.iter().filter_map(took).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::specimen::round;
    use crate::ledger::{Ending, Lane};

    /// A round with so many requests, every hundredth of them lost if there is a loss.
    fn busy(number: u32, requests: u32, is_lossy: bool) -> Round {
        let mut round = (0..requests).fold(round(RoundKind::Load), |round, n| {
            let ending = match is_lossy && n % 100 == 0 {
                true => Ending::EofBeforeResponse,
                false => Ending::Ok,
            };
            round.with(
                Lane::KeepAlive,
                true,
                f64::from(n),
                f64::from(n) + 1.0,
                ending,
            )
        });
        round.number = number;
        round
    }

    #[test]
    fn what_is_kept_of_a_run_grows_neither_with_its_requests_nor_with_its_losses() {
        let mut trace = RunTrace::default();
        for number in 1..=60 {
            let is_lossy = number > 30;
            trace.see(&busy(number, 1000, is_lossy), is_lossy);
        }
        let shown = trace.rounds.iter().filter_map(|it| it.timeline.as_ref());
        assert_eq!(shown.clone().count(), 1 + LOSSY);
        assert!(shown.clone().all(|it| it.requests.len() == 1000));
        assert_eq!(trace.latencies.len(), 1, "one load in one part of it");
        assert_eq!(trace.tally().requests(), 60_000);
        assert_eq!(trace.tally().lost(), 300);
    }

    #[test]
    fn the_first_round_at_each_round_trip_and_of_each_kind_is_shown() {
        let mut trace = RunTrace::default();
        for (kind, rtt) in [
            (RoundKind::Load, 0),
            (RoundKind::Load, 40),
            (RoundKind::Load, 0),
            (RoundKind::Idle, 0),
        ] {
            let mut round = round(kind);
            round.rtt = Duration::from_millis(rtt);
            trace.see(&round, false);
        }
        let shown: Vec<bool> = trace
            .rounds
            .iter()
            .map(|it| it.timeline.is_some())
            .collect();
        assert_eq!(shown, [true, true, false, true]);
    }
}
