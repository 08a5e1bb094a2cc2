//! Which rounds a run has, how long they are likely to take, and which of them have room in its budget.
//!
//! # What must hold
//! - With a budget a run ends within it, unless a single shutdown takes longer than that: before each round but the first
//!   it is asked whether there is time for one as slow as its kind can be.
//! - What has no room is left out and told, by kind and number.
//! - With a budget the rounds that say most come first: one under load at each round trip, then those with a purpose of
//!   their own, then more under load.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ledger::RoundKind;
use crate::plan::{KILLED_AFTER, Plan};
use crate::round::load::known_after;
use crate::target::{self, Capability};
use crate::verdict::trials_to_rule_out;

/// From start to ready, where that was not seen yet.
const START_UP: Duration = Duration::from_millis(300);
/// From ready to the signal of a round under load, without requests that take long.
const WARM_UP: Duration = Duration::from_millis(1200);
/// A request that takes long, by its definition a second or so; it is made once before the signal, and once across it.
const LONG: Duration = Duration::from_millis(1500);
/// From the signal to the end of a target that has nothing to wait for.
const STOP: Duration = Duration::from_millis(300);
/// The round with repeated signals lasts at most so long from its first signal on.
const REPEATED: Duration = Duration::from_secs(3);
/// The round with idle peers is over so long after its last real work.
const IDLE: Duration = Duration::from_secs(10);
/// From when clients are sent away to the end of a target that is killed.
const CLEARED: Duration = Duration::from_millis(1500);
/// A round takes longer than the one before by no more than this share.
const SPREAD: f64 = 1.2;

/// The rounds of a run that are still to come, and what those before them took.
pub(crate) struct Schedule {
    planned: VecDeque<(RoundKind, Duration)>,
    left_out: Vec<RoundKind>,
    /// What each round took.
    took: Vec<(RoundKind, Duration)>,
    has_begun: bool,
    guesses: Guesses,
    budget: Option<Duration>,
    began: Instant,
}

/// What rounds take that have not been seen yet.
struct Guesses {
    rtt: Duration,
    grace: Duration,
    has_long: bool,
    settle: Duration,
    /// An episode, without its trigger.
    episode: Duration,
    /// So long a target that never ends is waited for under load, where that is less than its grace.
    outlived: Option<Duration>,
}

/// What a trigger is taken to need, which is anybody's guess.
const TRIGGER: Duration = Duration::from_secs(10);

impl Guesses {
    fn of(plan: &Plan) -> Self {
        Self {
            rtt: plan.more_rtts.iter().copied().fold(plan.rtt, Duration::max),
            grace: plan.grace,
            has_long: !plan.slow.is_empty()
                || !plan.downloads.is_empty()
                || !plan.uploads.is_empty(),
            settle: plan.settle,
            episode: plan
                .trigger
                .as_ref()
                .map_or(Duration::ZERO, |trigger| trigger.before + trigger.after),
            outlived: None,
        }
    }

    /// What a request takes that takes long, if there is one.
    fn long(&self) -> Duration {
        if self.has_long { LONG } else { Duration::ZERO }
    }

    /// What such a round is likely to take.
    fn likely(&self, kind: RoundKind) -> Duration {
        let long = self.long();
        let before = START_UP + WARM_UP + self.rtt * 4;
        match kind {
            RoundKind::Load => before + long + self.outlived.unwrap_or(STOP + long),
            RoundKind::Idle => before + STOP,
            RoundKind::Startup => START_UP,
            RoundKind::SecondSignal => START_UP + WARM_UP + STOP,
            // Who tells of what is stuck waits for it nearly as long as it may.
            RoundKind::Stuck => START_UP + WARM_UP + self.grace,
            RoundKind::Settle => START_UP + STOP + self.settle / 4,
            RoundKind::Episode => WARM_UP + self.episode + TRIGGER,
        }
    }

    /// What such a round takes at most, where the target does all that it should not.
    fn longest(&self, kind: RoundKind) -> Duration {
        let start = START_UP * 2;
        let outlives = self.grace + KILLED_AFTER;
        match kind {
            RoundKind::Load => {
                let waits = self.outlived.map_or(outlives, |it| it.min(outlives));
                start + WARM_UP * 2 + self.rtt * 4 + LONG + waits
            }
            RoundKind::Idle => start + WARM_UP + (STOP + IDLE).min(outlives),
            RoundKind::Startup => START_UP + outlives,
            RoundKind::SecondSignal => start + WARM_UP + REPEATED.min(outlives),
            RoundKind::Stuck => start + WARM_UP + outlives,
            RoundKind::Settle => start + self.settle + outlives,
            RoundKind::Episode => WARM_UP * 2 + self.episode + TRIGGER * 3,
        }
    }
}

impl Schedule {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            planned: rounds(plan).into(),
            left_out: Vec::new(),
            took: Vec::new(),
            has_begun: false,
            guesses: Guesses::of(plan),
            budget: plan.budget,
            began: Instant::now(),
        }
    }

    /// The rounds to come, counted by kind, in order.
    pub(crate) fn counted(&self) -> Vec<(RoundKind, u32)> {
        counted(self.planned.iter().map(|(kind, _)| *kind))
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.planned.len() as u32
    }

    /// What the rounds to come are likely to take.
    pub(crate) fn left(&self) -> Duration {
        let all = self
            .planned
            .iter()
            .map(|(kind, _)| self.likely(*kind))
            .sum();
        match self.budget {
            Some(budget) => budget.saturating_sub(self.began.elapsed()).min(all),
            None => all,
        }
    }

    /// The next round that has room.
    pub(crate) fn next(&mut self) -> Option<(RoundKind, Duration)> {
        while let Some((kind, rtt)) = self.planned.pop_front() {
            if self.has_room(kind) {
                return Some((kind, rtt));
            }
            self.left_out.push(kind);
        }
        None
    }

    fn has_room(&self, kind: RoundKind) -> bool {
        let Some(budget) = self.budget else {
            return true;
        };
        // One shutdown there has to be.
        !self.has_begun || self.began.elapsed() + self.at_most(kind) <= budget
    }

    /// A round has ended that took so long.
    pub(crate) fn took(&mut self, kind: RoundKind, took: Duration) {
        self.has_begun = true;
        self.took.push((kind, took));
    }

    /// A target has outlived its grace under load, and from now on is not waited for that long there: those before say nothing
    /// of how long it will take.
    pub(crate) fn outlived(&mut self, plan: &Plan) {
        self.guesses.outlived = Some(known_after(plan, self.guesses.long()) + CLEARED);
        self.took.retain(|(kind, _)| *kind != RoundKind::Load);
    }

    fn longest_seen(&self, kind: RoundKind) -> Option<Duration> {
        let same = self.took.iter().filter(|(it, _)| *it == kind);
        same.map(|(_, took)| *took).max()
    }

    fn likely(&self, kind: RoundKind) -> Duration {
        let seen = self.longest_seen(kind);
        seen.unwrap_or_else(|| self.guesses.likely(kind))
    }

    fn at_most(&self, kind: RoundKind) -> Duration {
        let longest = self.guesses.longest(kind);
        match self.longest_seen(kind) {
            Some(seen) => seen.mul_f64(SPREAD).min(longest),
            None => longest,
        }
    }

    /// The rounds that had no room, counted by kind.
    pub(crate) fn left_out(&self) -> Vec<(RoundKind, u32)> {
        counted(self.left_out.iter().copied())
    }
}

fn counted(kinds: impl Iterator<Item = RoundKind>) -> Vec<(RoundKind, u32)> {
    let mut counts: Vec<(RoundKind, u32)> = Vec::new();
    for kind in kinds {
        match counts.iter_mut().find(|(it, _)| *it == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    counts
}

/// The promise that rounds of this kind are there for, if there is one alone.
pub(crate) fn purpose(kind: RoundKind) -> Option<&'static str> {
    match kind {
        RoundKind::Idle => Some("idle-exits"),
        RoundKind::Startup => Some("startup-signal"),
        RoundKind::SecondSignal => Some("second-signal"),
        RoundKind::Stuck => Some("stuck-told"),
        RoundKind::Load | RoundKind::Settle | RoundKind::Episode => None,
    }
}

/// Which rounds a plan has, in order, each with its round trip.
fn rounds(plan: &Plan) -> Vec<(RoundKind, Duration)> {
    if plan.trigger.is_some() {
        let episodes = std::iter::repeat_n((RoundKind::Episode, plan.rtt), plan.rounds as usize);
        return episodes.collect();
    }
    if !target::capabilities(plan).has(Capability::Restart) {
        return vec![(RoundKind::Load, plan.rtt)];
    }
    let times = |count: u32, kind| std::iter::repeat_n((kind, plan.rtt), count as usize);
    let once = |is_wanted: bool, kind| times(u32::from(is_wanted), kind);
    // A round that is there for one promise is of no use without it.
    let judges = |kind| purpose(kind).is_none_or(|name| plan.rules.judges(name));
    let startup_rounds = match judges(RoundKind::Startup) {
        true => plan.startup_rounds,
        false => 0,
    };
    let has_stuck = !plan.uploads.is_empty();
    let idle = once(
        plan.clients.idle > 0 && judges(RoundKind::Idle),
        RoundKind::Idle,
    );
    let startup = times(startup_rounds, RoundKind::Startup);
    let repeated = once(
        (has_stuck || !plan.slow.is_empty()) && judges(RoundKind::SecondSignal),
        RoundKind::SecondSignal,
    );
    let stuck = once(has_stuck && judges(RoundKind::Stuck), RoundKind::Stuck);
    let settle = once(
        plan.ledger.is_some() && !plan.settle.is_zero(),
        RoundKind::Settle,
    );
    let mut load = load_rounds(plan);
    if plan.budget.is_none() {
        let special = idle.chain(startup).chain(repeated).chain(stuck);
        return load.into_iter().chain(settle).chain(special).collect();
    }
    // Jobs that one shutdown leaves are looked for at the next start, so those with books stay together.
    let first = match plan.ledger {
        Some(_) => load.len(),
        None => 1 + plan.more_rtts.len(),
    };
    let more = load.split_off(first.min(load.len()));
    let special = idle.chain(repeated).chain(startup);
    let first = load.into_iter().chain(settle).chain(special);
    first.chain(more).chain(stuck).collect()
}

/// The rounds under load: so many at each round trip, one round trip after the other, or in turn where some may have to be
/// left out.
fn load_rounds(plan: &Plan) -> Vec<(RoundKind, Duration)> {
    let rtts: Vec<Duration> = std::iter::once(plan.rtt)
        .chain(plan.more_rtts.iter().copied())
        .collect();
    let load = |rtt: &Duration| (RoundKind::Load, *rtt);
    let planned = rtts.len() * plan.rounds as usize;
    let mut rounds: Vec<_> = match plan.budget {
        Some(_) => rtts.iter().cycle().take(planned).map(load).collect(),
        None => rtts
            .iter()
            .flat_map(|rtt| std::iter::repeat_n(load(rtt), plan.rounds as usize))
            .collect(),
    };
    // As many more as it takes, near and far in turn.
    let needed = plan.until.map_or(0, trials_to_rule_out) as usize;
    rounds.extend(
        rtts.iter()
            .cycle()
            .map(load)
            .take(needed.saturating_sub(planned)),
    );
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;
    use crate::request::RequestTemplate;

    fn plan(budget: Option<u64>) -> Plan {
        let url = Endpoint::parse("http://127.0.0.1:1").unwrap();
        let mut plan = Plan::new(url, ["./server"]);
        plan.more_rtts = vec![Duration::from_millis(40)];
        plan.uploads.push(RequestTemplate::get("/upload"));
        plan.startup_rounds = 2;
        plan.grace = Duration::from_secs(10);
        plan.budget = budget.map(Duration::from_secs);
        plan
    }

    fn kinds(schedule: &Schedule) -> Vec<RoundKind> {
        schedule.planned.iter().map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn with_a_budget_the_rounds_that_say_most_come_first() {
        use RoundKind::{Idle, Load, SecondSignal, Startup, Stuck};
        let special = [Idle, Startup, Startup, SecondSignal, Stuck];
        assert_eq!(
            kinds(&Schedule::of(&plan(None))),
            [[Load; 6].as_slice(), &special].concat()
        );
        let with = Schedule::of(&plan(Some(60)));
        let order = [
            Load,
            Load,
            Idle,
            SecondSignal,
            Startup,
            Startup,
            Load,
            Load,
            Load,
            Load,
            Stuck,
        ];
        assert_eq!(kinds(&with), order);
        assert_ne!(with.planned[0].1, with.planned[1].1, "near and far in turn");
        assert_eq!(with.counted()[0], (Load, 6));
    }

    /// What a run with this budget makes of rounds that take so long, and when it is over.
    fn run(budget: u64, takes: impl Fn(RoundKind) -> f64) -> (Vec<RoundKind>, Schedule, Duration) {
        let mut schedule = Schedule::of(&plan(Some(budget)));
        let (mut made, mut spent) = (Vec::new(), Duration::ZERO);
        while let Some((kind, _)) = schedule.next() {
            let took = Duration::from_secs_f64(takes(kind));
            // As if so much time had gone by.
            schedule.began = schedule.began.checked_sub(took).unwrap();
            schedule.took(kind, took);
            made.push(kind);
            spent += took;
        }
        (made, schedule, spent)
    }

    #[test]
    fn a_target_that_never_ends_is_tried_within_the_budget() {
        let (made, schedule, spent) = run(60, |kind| match kind {
            RoundKind::Idle => 11.0,
            RoundKind::SecondSignal => 4.0,
            _ => 13.0,
        });
        assert!(spent <= Duration::from_secs(60), "{spent:?}");
        let load = made.iter().filter(|kind| **kind == RoundKind::Load);
        assert!(load.count() >= 2, "{made:?}");
        assert!(made.contains(&RoundKind::Idle) && made.contains(&RoundKind::SecondSignal));
        assert!(!schedule.left_out().is_empty());
    }

    #[test]
    fn a_target_that_outlives_its_grace_leaves_room_for_more_shutdowns_under_load() {
        let loads = |is_told: bool| {
            let plan = plan(Some(60));
            let mut schedule = Schedule::of(&plan);
            let mut made = 0;
            while let Some((kind, _)) = schedule.next() {
                let is_first = made == 0;
                made += u32::from(kind == RoundKind::Load);
                let took = match kind {
                    RoundKind::Load if is_told && !is_first => 7.0,
                    RoundKind::Idle => 11.0,
                    RoundKind::SecondSignal => 4.0,
                    _ => 13.0,
                };
                let took = Duration::from_secs_f64(took);
                schedule.began = schedule.began.checked_sub(took).unwrap();
                schedule.took(kind, took);
                if is_told && is_first {
                    schedule.outlived(&plan);
                }
            }
            made
        };
        assert!(
            loads(true) > loads(false),
            "{} {}",
            loads(true),
            loads(false)
        );
    }

    #[test]
    fn a_target_that_ends_well_has_all_its_rounds() {
        let (made, schedule, spent) = run(60, |kind| match kind {
            RoundKind::Stuck => 10.5,
            RoundKind::Startup => 0.3,
            _ => 4.0,
        });
        assert_eq!(made.len(), 11, "{:?} after {spent:?}", schedule.left_out());
    }

    #[test]
    fn one_shutdown_there_is_in_any_case() {
        let (made, schedule, _) = run(1, |_| 20.0);
        assert_eq!(made, [RoundKind::Load]);
        assert_eq!(
            schedule
                .left_out()
                .iter()
                .map(|(_, count)| count)
                .sum::<u32>(),
            10
        );
    }
}
