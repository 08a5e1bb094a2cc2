//! A run: every round of a plan, then the verdicts.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use crate::books::Books;
use crate::error::CheckError;
use crate::ledger::{Round, RoundKind, Tally, Terms};
use crate::observer::{Event, Observer};
use crate::plan::Plan;
use crate::promise::Jury;
use crate::round;
use crate::round::load::RoundPatience;
use crate::rules::{Rules, Ruling};
use crate::schedule::{self, Schedule};
use crate::trace::RunTrace;
use crate::verdict::{Judgement, Shutdowns, Verdict};

/// From start to ready, where that was not seen.
const START_UP: Duration = Duration::from_millis(100);

/// What came of a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// The command that was tested.
    pub target: String,
    /// Rounds under load.
    pub rounds: u32,
    /// The seed.
    pub seed: u64,
    /// One verdict per promise that the prover knows, in the order of the report.
    pub verdicts: Vec<Verdict>,
    /// Every request of the load rounds, counted by its end.
    pub tally: Tally,
    /// Why the run ended before its last round, if it did. What was seen before it counts.
    pub cut_short: Option<String>,
    /// The rounds for which there was no time, by kind: only where the plan has a budget.
    pub left_out: Vec<(RoundKind, u32)>,
    /// When the run was over.
    pub ended_at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What of the verdicts counts.
    pub rules: Rules,
    /// What the target was held to.
    pub terms: Terms,
    /// The preset that it has, if it has one.
    pub preset: Option<String>,
    /// What is kept of its rounds.
    pub trace: RunTrace,
}

impl RunOutcome {
    /// What the verdicts come to.
    pub fn ruling(&self) -> Ruling {
        match self.rules.rule(&self.verdicts) {
            broken @ Ruling::Broken(_) => broken,
            _ if self.cut_short.is_some() => Ruling::CutShort,
            other => other,
        }
    }

    /// The shutdowns under load, and those in which a client lost something that counts.
    pub fn losses(&self) -> Shutdowns {
        let counted = self.verdicts.iter().filter(|it| self.rules.is_loss(it));
        let lossy: BTreeSet<u32> = counted.flat_map(|it| it.failed_rounds.clone()).collect();
        let rounds = self.trace.shutdowns();
        let failed = rounds.filter(|round| lossy.contains(&round.number)).count();
        Shutdowns::of(u64::from(self.rounds), failed as u64)
    }

    /// The verdict on one promise, by its stable name.
    pub fn verdict(&self, name: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.name == name)
    }
}

/// Runs a plan: first the rounds under load, then those with a purpose of their own.
///
/// Needs a tokio runtime with I/O and time, better one with several threads: the clients of a load share it.
///
/// # Cancel safety
/// Dropping the future ends the clients and kills the target with its process group.
///
/// # Errors
/// When the target cannot be started or tested, see [`CheckError`]. Broken promises are no errors. An error after a round
/// under load ends the run, and what was seen until then is its outcome, see [`RunOutcome::cut_short`].
pub async fn run(plan: &Plan, observer: &dyn Observer) -> Result<RunOutcome, CheckError> {
    boxed(plan, observer).await
}

/// Not `async`, or the whole prover would be compiled anew in each program that it is linked into.
#[inline(never)]
fn boxed<'a>(
    plan: &'a Plan,
    observer: &'a dyn Observer,
) -> Pin<Box<dyn Future<Output = Result<RunOutcome, CheckError>> + Send + 'a>> {
    Box::pin(all_rounds(plan, observer))
}

async fn all_rounds(plan: &Plan, observer: &dyn Observer) -> Result<RunOutcome, CheckError> {
    let began = Instant::now();
    let mut schedule = Schedule::of(plan);
    observer.on(&Event::Planned {
        rounds: schedule.rounds(),
        kinds: &schedule.counted(),
        takes: schedule.left(),
        budget: plan.budget,
    });
    let terms = Terms::of(plan);
    let mut jury = Jury::new(&terms);
    let mut trace = RunTrace::default();
    let mut startup_turn = 0;
    let mut known = None;
    let mut cut_short = None;
    let mut untried = Vec::new();
    // Once is enough: it is not waited for that long again.
    let mut outlives = false;
    let mut number = 0;
    loop {
        let left = schedule.left();
        let Some((kind, rtt)) = schedule.next() else {
            break;
        };
        number += 1;
        // The bound cannot be had any more.
        if kind == RoundKind::Load && plan.until.is_some() && jury.has_lost(&plan.rules) {
            continue;
        }
        // One that was not ended cleanly is enough: each of them may take the whole grace.
        if kind == RoundKind::Startup && jury.has_failed("startup-signal") {
            continue;
        }
        let plan = &Plan {
            rtt,
            ..plan.clone()
        };
        let turn = startup_turn;
        startup_turn += u32::from(kind == RoundKind::Startup);
        let round_began = Instant::now();
        observer.on(&Event::Expected { left });
        let waits = match outlives {
            true => RoundPatience::UntilWorkIsOver,
            false => RoundPatience::PastItsGrace,
        };
        let one = RoundToMake {
            number,
            kind,
            turn,
            known,
            waits,
        };
        let round = match one_round(plan, observer, one, &trace).await {
            Ok(Some(round)) => round,
            Ok(None) => continue,
            // Such a round is there for one promise alone: the others do not depend on it.
            Err(CheckError::Unhealthy { load, seen, fix }) if schedule::purpose(kind).is_some() => {
                let fix = match kind {
                    RoundKind::Idle => {
                        "the idle peers may take all of its workers: fewer (--idle N) try it"
                    }
                    _ => fix,
                };
                let why =
                    format!("in the round \"{kind}\", before the signal, {load}: {seen}; {fix}");
                untried.push((kind, why));
                continue;
            }
            Err(error) if trace.shutdowns().next().is_some() => {
                cut_short = Some(format!("round {number} ({kind}): {error}"));
                break;
            }
            Err(error) => return Err(error),
        };
        known = round.audit.as_ref().map(|audit| audit.opened).or(known);
        schedule.took(kind, round_began.elapsed());
        if kind == RoundKind::Load && !outlives && round.signal_to_exit() >= plan.grace {
            outlives = true;
            schedule.outlived(plan);
        }
        jury.see(&round);
        trace.see(&round, jury.has_lost_in(number, &plan.rules));
    }
    // Where a round was tried in vain and there was no time for another, that is the last word.
    let budget = humantime::format_duration(plan.budget.unwrap_or_default());
    let no_time = format!("there was no time for it: --budget {budget}");
    let left_out = schedule.left_out();
    untried.extend(left_out.iter().map(|(kind, _)| (*kind, no_time.clone())));
    Ok(RunOutcome {
        target: plan.target(),
        rounds: trace.shutdowns().count() as u32,
        seed: plan.seed,
        verdicts: with_reasons(jury.verdicts(&plan.rules), &untried),
        tally: trace.tally(),
        cut_short,
        left_out,
        ended_at: SystemTime::now(),
        took: began.elapsed(),
        rules: plan.rules.clone(),
        terms,
        preset: plan.preset.clone(),
        trace,
    })
}

/// Promises that were to be tried by a round that did not come to it say why.
fn with_reasons(mut verdicts: Vec<Verdict>, untried: &[(RoundKind, String)]) -> Vec<Verdict> {
    for (kind, why) in untried {
        let promise = schedule::purpose(*kind);
        let skipped =
            |it: &&mut Verdict| Some(it.name) == promise && it.judgement == Judgement::Skipped;
        for verdict in verdicts.iter_mut().filter(skipped) {
            verdict.asked = true;
            verdict.why.clone_from(why);
        }
    }
    verdicts
}

/// One start and stop that is to be made.
#[derive(Clone, Copy)]
struct RoundToMake {
    number: u32,
    kind: RoundKind,
    /// Counts those during start-up.
    turn: u32,
    /// The target's books, as they were last opened.
    known: Option<Books>,
    waits: RoundPatience,
}

/// Makes it; `None` where the plan has nothing for it.
async fn one_round(
    plan: &Plan,
    observer: &dyn Observer,
    one: RoundToMake,
    trace: &RunTrace,
) -> Result<Option<Round>, CheckError> {
    let RoundToMake {
        number,
        kind,
        turn,
        known,
        waits,
    } = one;
    let round = match kind {
        RoundKind::Episode => match &plan.trigger {
            Some(trigger) => round::episode::run(plan, trigger, observer, number).await?,
            None => return Ok(None),
        },
        RoundKind::Load => round::load::run(plan, observer, number, known, waits).await?,
        RoundKind::Settle => round::settle::run(plan, observer, number, known).await?,
        RoundKind::Idle => round::idle::run(plan, observer, number).await?,
        RoundKind::Startup => {
            // A signal after it would come too late.
            let measured = trace.shortest_start_up().unwrap_or(START_UP);
            let turns = plan.startup_rounds;
            round::startup::run(plan, observer, number, measured, turn, turns).await?
        }
        RoundKind::SecondSignal => round::second_signal::run(plan, observer, number).await?,
        RoundKind::Stuck => match plan.uploads.first() {
            Some(request) => round::stuck::run(plan, observer, number, request).await?,
            None => return Ok(None),
        },
    };
    Ok(Some(round))
}
