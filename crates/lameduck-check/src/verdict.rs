//! The verdict on one promise.

use serde::Serialize;

/// Pieces of evidence kept per promise.
const EVIDENCE: usize = 20;

/// Kept, broken, or not tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// Tried, and kept each time.
    Kept,
    /// Tried, and broken at least once.
    Broken,
    /// Not tried; [`Verdict::why`] says what would try it.
    Skipped,
}

/// One thing that was seen to go wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The round, from 1.
    pub round: u32,
    /// Milliseconds since the round's first signal; negative before it.
    pub at_ms: f64,
    /// Which client, connection or probe.
    pub r#where: String,
    /// What it saw.
    pub what: String,
    /// How many failures it stands for.
    #[serde(skip)]
    pub(crate) failures: u64,
}

/// The verdict on one promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The promise's stable name.
    pub name: &'static str,
    /// Kept, broken or skipped.
    #[serde(rename = "verdict")]
    pub judgement: Judgement,
    /// How often it was tried.
    pub trials: u64,
    /// How often it was broken.
    pub failures: u64,
    /// The highest loss rate that the trials do not rule out at 95 %: the exact one-sided upper bound of Clopper
    /// and Pearson. 1 without trials.
    pub bound95: f64,
    /// The verdict in a sentence.
    pub why: String,
    /// What was seen to go wrong, the first twenty pieces.
    pub evidence: Vec<Evidence>,
}

/// What a promise found, before it has a name.
#[derive(Debug)]
pub(crate) struct Finding {
    trials: u64,
    evidence: Vec<Evidence>,
    failures: u64,
}

impl Finding {
    pub(crate) fn new() -> Self {
        Self {
            trials: 0,
            evidence: Vec::new(),
            failures: 0,
        }
    }

    pub(crate) fn trials(&self) -> u64 {
        self.trials
    }

    /// A trial that went well.
    pub(crate) fn kept(&mut self) {
        self.trials += 1;
    }

    /// A trial that went wrong.
    pub(crate) fn broken(&mut self, evidence: Evidence) {
        self.trials += 1;
        self.failures += 1;
        if self.evidence.len() < EVIDENCE {
            self.evidence.push(evidence);
        }
    }

    /// So many trials that went well.
    pub(crate) fn kept_times(&mut self, trials: u64) {
        self.trials += trials;
    }

    /// So many trials that went wrong in the same way; none when there are none.
    pub(crate) fn broken_times(&mut self, failures: u64, evidence: Evidence) {
        if failures > 0 {
            self.broken(Evidence {
                failures,
                ..evidence
            });
            self.trials += failures - 1;
            self.failures += failures - 1;
        }
    }

    /// The verdict; `skipped` says why there was nothing to try, if so.
    pub(crate) fn verdict(
        self,
        kept: impl Into<String>,
        broken: impl Into<String>,
        skipped: impl Into<String>,
    ) -> Verdict {
        let (judgement, why) = match (self.trials, self.failures) {
            (0, _) => (Judgement::Skipped, skipped.into()),
            (_, 0) => (Judgement::Kept, kept.into()),
            _ => (Judgement::Broken, broken.into()),
        };
        Verdict {
            name: "",
            judgement,
            trials: self.trials,
            failures: self.failures,
            bound95: upper_bound_95(self.trials, self.failures),
            why,
            evidence: self.evidence,
        }
    }
}

/// The exact one-sided upper 95 % bound of Clopper and Pearson: the rate at which `failures` or fewer in `trials`
/// happen with a chance of 5 %.
pub fn upper_bound_95(trials: u64, failures: u64) -> f64 {
    const CHANCE: f64 = 0.05;
    if failures >= trials {
        return 1.0;
    }
    if failures == 0 {
        return 1.0 - CHANCE.powf(1.0 / trials as f64);
    }
    let (mut low, mut high) = (failures as f64 / trials as f64, 1.0);
    // Halving 60 times is below what a double can tell apart.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if binomial_tail(trials, failures, middle) > CHANCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The chance of at most `failures` in `trials` at `rate`, summed from terms in logarithms.
fn binomial_tail(trials: u64, failures: u64, rate: f64) -> f64 {
    let (n, log_p, log_q) = (trials as f64, rate.ln(), (-rate).ln_1p());
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    for k in 0..=failures {
        if k > 0 {
            log_choose += (n - k as f64 + 1.0).ln() - (k as f64).ln();
        }
        sum += (log_choose + k as f64 * log_p + (n - k as f64) * log_q).exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-4
    }

    #[test]
    fn without_failures_the_bound_is_about_three_in_n() {
        assert!(close(upper_bound_95(100, 0), 0.029_513));
        assert!(close(upper_bound_95(1, 0), 0.95));
    }

    #[test]
    fn with_failures_the_bound_is_that_of_clopper_and_pearson() {
        // Reference values: the 95 % quantile of Beta(failures + 1, trials - failures).
        assert!(close(upper_bound_95(10, 1), 0.394_163));
        assert!(close(upper_bound_95(100, 5), 0.102_253));
        assert!(close(upper_bound_95(20, 10), 0.698_046));
    }

    #[test]
    fn nothing_is_ruled_out_without_trials_or_without_a_success() {
        assert_eq!(upper_bound_95(0, 0), 1.0);
        assert_eq!(upper_bound_95(7, 7), 1.0);
    }
}
