//! What a promise finds, trial by trial, before it is a verdict.

use std::collections::BTreeSet;

use super::{Class, Evidence, Judgement, Shutdowns, Verdict, upper_bound_95};

/// Pieces of evidence kept per promise.
const EVIDENCE: usize = 20;

/// Why a promise was not tried.
#[derive(Debug)]
pub(crate) enum Untried {
    /// Nothing that was set asks for it; what would.
    Unasked(String),
    /// It was asked for, and there was nothing to try it on; why.
    Missed(String),
}

impl Untried {
    pub(crate) fn unasked(what: impl Into<String>) -> Self {
        Self::Unasked(what.into())
    }

    pub(crate) fn missed(what: impl Into<String>) -> Self {
        Self::Missed(what.into())
    }
}

/// What a promise found, before it has a name.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    trials: u64,
    failures: u64,
    undecided: u64,
    evidence: Vec<Evidence>,
    doubtful: Vec<Evidence>,
    round: u32,
    tried: BTreeSet<u32>,
    failed: BTreeSet<u32>,
}

impl Finding {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What follows is of the round of this number.
    pub(crate) fn of(&mut self, round: u32) {
        self.round = round;
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    pub(crate) fn has_failed_in(&self, round: u32) -> bool {
        self.failed.contains(&round)
    }

    pub(crate) fn trials(&self) -> u64 {
        self.trials
    }

    /// A trial that went well.
    pub(crate) fn kept(&mut self) {
        self.kept_times(1);
    }

    /// A trial that went wrong.
    pub(crate) fn broken(&mut self, evidence: Evidence) {
        self.broken_times(1, evidence);
    }

    /// One that went wrong: undecided if the prover itself may be to blame.
    pub(crate) fn failed(&mut self, is_doubtful: bool, evidence: Evidence) {
        match is_doubtful {
            true => self.undecided(evidence),
            false => self.broken(evidence),
        }
    }

    /// One that went wrong while the prover itself was not up to it.
    pub(crate) fn undecided(&mut self, evidence: Evidence) {
        self.undecided += 1;
        if self.doubtful.len() < EVIDENCE {
            self.doubtful.push(evidence);
        }
    }

    /// So many trials that went well.
    pub(crate) fn kept_times(&mut self, trials: u64) {
        self.trials += trials;
        if trials > 0 {
            self.tried.insert(self.round);
        }
    }

    /// So many trials that went wrong in the same way; none when there are none.
    pub(crate) fn broken_times(&mut self, failures: u64, evidence: Evidence) {
        self.kept_times(failures);
        self.failures += failures;
        if failures == 0 {
            return;
        }
        self.failed.insert(self.round);
        if self.evidence.len() < EVIDENCE {
            self.evidence.push(Evidence {
                failures,
                ..evidence
            });
        }
    }

    /// The verdict; `untried` says why there was nothing to try, if so.
    pub(crate) fn verdict(
        self,
        kept: impl Into<String>,
        broken: impl Into<String>,
        untried: Untried,
    ) -> Verdict {
        let mut asked = true;
        let (judgement, why) = match (self.trials, self.failures, self.undecided) {
            (_, 1.., _) => (Judgement::Broken, broken.into()),
            (_, 0, 1..) => (Judgement::Undecided, self.doubt()),
            (0, 0, 0) => {
                let why = match untried {
                    Untried::Unasked(why) => {
                        asked = false;
                        why
                    }
                    Untried::Missed(why) => why,
                };
                (Judgement::Skipped, why)
            }
            (_, 0, 0) => (Judgement::Kept, kept.into()),
        };
        let (tried, failed) = (self.tried.len() as u64, self.failed.len() as u64);
        Verdict {
            name: "",
            class: Class::Loss,
            judgement,
            asked,
            accepted: false,
            trials: self.trials,
            failures: self.failures,
            undecided: self.undecided,
            bound95: upper_bound_95(self.trials, self.failures),
            shutdowns: Shutdowns::of(tried, failed),
            failed_rounds: self.failed,
            why,
            evidence: match judgement {
                Judgement::Undecided => self.doubtful,
                _ => self.evidence,
            },
        }
    }

    fn doubt(&self) -> String {
        let all = self.trials + self.undecided;
        let share = 100.0 * self.undecided as f64 / all as f64;
        format!(
            "{} of {all} trials ({share:.2} %) went wrong while the prover itself stood still or was short of \
             something: run it again on a machine with less to do",
            self.undecided
        )
    }
}
