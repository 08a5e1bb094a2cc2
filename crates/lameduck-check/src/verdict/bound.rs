//! How high a rate may still be, for all that was seen of it.

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

/// How many trials without a failure rule out a rate at 95 %.
pub(crate) fn trials_to_rule_out(rate: f64) -> u64 {
    let trials = (0.05f64.ln() / (-rate).ln_1p()).ceil() as u64;
    // A rounding error must not leave the bound a hair above the rate.
    trials + u64::from(upper_bound_95(trials, 0) > rate)
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
    fn a_rate_is_ruled_out_by_the_fewest_trials_whose_bound_is_below_it() {
        for rate in [0.5, 0.1, 0.05, 0.01, 0.001] {
            let trials = trials_to_rule_out(rate);
            assert!(upper_bound_95(trials, 0) <= rate, "{rate}");
            assert!(upper_bound_95(trials - 1, 0) > rate, "{rate}");
        }
        assert_eq!(trials_to_rule_out(0.01), 299);
    }

    #[test]
    fn nothing_is_ruled_out_without_trials_or_without_a_success() {
        assert_eq!(upper_bound_95(0, 0), 1.0);
        assert_eq!(upper_bound_95(7, 7), 1.0);
    }
}
