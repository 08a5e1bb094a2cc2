//! The verdict on one promise.
//!
//! # What must hold
//! - A promise is broken by at least one piece of evidence, and by nothing that the prover may have caused itself:
//!   such a trial is undecided.
//! - It is kept if it was tried, none of its trials failed, and none is undecided.

mod bound;
mod finding;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub(crate) use bound::trials_to_rule_out;
pub use bound::upper_bound_95;
pub(crate) use finding::{Finding, Untried};

/// Who is hurt when a promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A client, or another peer such as the database: something was lost.
    Loss,
    /// Whoever waits for the end and kills at last: it took too long.
    Time,
    /// Nobody at once: a custom that tools and people rely on, such as exit codes.
    Convention,
}

impl Class {
    /// Every class, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Loss, Self::Time, Self::Convention];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Time => "time",
            Self::Convention => "convention",
        }
    }
}

/// Kept, broken, undecided, or not tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// Tried, and kept each time.
    Kept,
    /// Tried, and broken at least once.
    Broken,
    /// Tried, and what went wrong may be the prover's own doing: it stood still, or ran short of something.
    Undecided,
    /// Not tried; [`Verdict::why`] says what would try it.
    Skipped,
}

/// A part of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// Before the first signal.
    BeforeSignal,
    /// From the first signal to the end of the process.
    Stopping,
    /// After the end of the process.
    AfterExit,
}

/// What a connection had carried when something went wrong on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionUse {
    /// Nothing: the request was its first.
    Fresh,
    /// A request before this one.
    Reused,
    /// No request was under way on it.
    Idle,
}

/// One thing that was seen to go wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The round, from 1.
    pub round: u32,
    /// Milliseconds since the round's first signal; negative before it.
    pub at_ms: f64,
    /// Which client, connection or probe.
    pub r#where: String,
    /// What it saw.
    pub what: String,
    /// Who is hurt: the class of the promise.
    pub class: Class,
    /// When that was, in the course of the shutdown.
    pub moment: Moment,
    /// Which load, for what became of a request or a connection.
    pub lane: Option<String>,
    /// What the connection had carried before, for what became of a request.
    pub connection: Option<ConnectionUse>,
    /// How many failures it stands for.
    pub failures: u64,
}

/// The shutdowns in which a promise was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shutdowns {
    /// Those with at least one trial.
    pub tried: u64,
    /// Those with at least one failure.
    pub failed: u64,
    /// The highest share of shutdowns with a failure that these do not rule out at 95 %. 1 without any.
    pub bound95: f64,
}

impl Shutdowns {
    pub(crate) fn of(tried: u64, failed: u64) -> Self {
        Self {
            tried,
            failed,
            bound95: upper_bound_95(tried, failed),
        }
    }
}

/// The verdict on one promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The promise's stable name.
    pub name: &'static str,
    /// Who is hurt when it is broken.
    pub class: Class,
    /// Kept, broken, undecided or skipped.
    #[serde(rename = "verdict")]
    pub judgement: Judgement,
    /// Whether what was set asks for this promise. One that is asked for and skipped was not tried.
    pub asked: bool,
    /// Whether the baseline says that it is known to be broken.
    pub accepted: bool,
    /// How often it was tried.
    pub trials: u64,
    /// How often it was broken.
    pub failures: u64,
    /// Failures beside these that may be the prover's own doing. They are no trials.
    pub undecided: u64,
    /// The highest loss rate that the trials do not rule out at 95 %: the exact one-sided upper bound of Clopper
    /// and Pearson. 1 without trials.
    pub bound95: f64,
    /// The same by shutdown, which is what is independent: what is lost in one is often lost together.
    pub shutdowns: Shutdowns,
    /// The rounds with a failure.
    #[serde(skip)]
    pub(crate) failed_rounds: BTreeSet<u32>,
    /// The verdict in a sentence.
    pub why: String,
    /// What was seen to go wrong, the first twenty pieces.
    pub evidence: Vec<Evidence>,
}

impl Verdict {
    pub(crate) fn is_broken(&self) -> bool {
        self.judgement == Judgement::Broken
    }

    /// Whether it was asked for and not tried, or is undecided.
    pub(crate) fn is_open(&self) -> bool {
        match self.judgement {
            Judgement::Undecided => true,
            Judgement::Skipped => self.asked,
            Judgement::Kept | Judgement::Broken => false,
        }
    }
}
