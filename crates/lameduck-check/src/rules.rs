//! What of a run's verdicts counts, and what it comes to: the exit code.

use std::collections::BTreeSet;

use crate::promise;
use crate::verdict::{Class, Judgement, Verdict};

/// Which promises are judged, and which of them count.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whether conventions count too (default: no). They are shown either way.
    pub strict: bool,
    /// Whether it is all right that something asked for was not tried or is undecided (default: no).
    pub allow_untested: bool,
    /// The only promises that are judged, each of which is then asked for; all of them if there is none.
    pub only: BTreeSet<String>,
    /// Promises that are not judged.
    pub except: BTreeSet<String>,
    /// Promises that are known to be broken: they are shown, and do not count.
    pub baseline: BTreeSet<String>,
}

/// What the verdicts come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Every promise that counts and was asked for was tried and kept.
    Kept,
    /// So many that count were broken.
    Broken(usize),
    /// None was broken, but the run ended before its last round.
    CutShort,
    /// None was broken; so many that count and were asked for were not tried, or are undecided.
    Untested(usize),
}

impl Ruling {
    /// The exit code of `lameduck check`: 0 to 3.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::Broken(_) => 1,
            Self::CutShort => 2,
            Self::Untested(_) => 3,
        }
    }
}

impl Rules {
    /// The names of all promises.
    pub fn known() -> Vec<&'static str> {
        promise::names().collect()
    }

    /// The first of these names that no promise has, if there is one.
    pub fn unknown(names: &BTreeSet<String>) -> Option<&String> {
        names
            .iter()
            .find(|name| !promise::names().any(|known| known == name.as_str()))
    }

    /// Whether a promise is judged.
    pub(crate) fn judges(&self, name: &str) -> bool {
        let is_among = self.only.is_empty() || self.only.contains(name);
        is_among && !self.except.contains(name)
    }

    /// A verdict as these rules have it.
    pub(crate) fn apply(&self, verdict: Verdict) -> Verdict {
        let name = verdict.name;
        if !self.judges(name) {
            let flag = if self.except.contains(name) {
                "--except"
            } else {
                "--only"
            };
            return Verdict {
                judgement: Judgement::Skipped,
                asked: false,
                why: format!("left out by {flag}"),
                ..verdict
            };
        }
        Verdict {
            asked: verdict.asked || self.only.contains(name),
            accepted: self.baseline.contains(name) && verdict.is_broken(),
            ..verdict
        }
    }

    /// Whether a verdict can change the exit code.
    pub(crate) fn counts(&self, verdict: &Verdict) -> bool {
        let by_class = verdict.class != Class::Convention || self.strict;
        (by_class || self.only.contains(verdict.name)) && !verdict.accepted
    }

    /// Whether a client lost something, and that counts.
    pub(crate) fn is_loss(&self, verdict: &Verdict) -> bool {
        verdict.class == Class::Loss && verdict.is_broken() && self.counts(verdict)
    }

    /// Whether a failure of this promise would be such a loss.
    pub(crate) fn counts_as_loss(&self, name: &str, class: Class) -> bool {
        class == Class::Loss && self.judges(name) && !self.baseline.contains(name)
    }

    /// What the verdicts come to.
    pub(crate) fn rule(&self, verdicts: &[Verdict]) -> Ruling {
        let count = |is: fn(&Verdict) -> bool| {
            let counted = verdicts.iter().filter(|verdict| self.counts(verdict));
            counted.filter(|verdict| is(verdict)).count()
        };
        match (count(Verdict::is_broken), count(Verdict::is_open)) {
            (broken @ 1.., _) => Ruling::Broken(broken),
            (0, open @ 1..) if !self.allow_untested => Ruling::Untested(open),
            _ => Ruling::Kept,
        }
    }
}
