//! Paired figures and whether they are good enough.

use std::process::ExitCode;

use serde::Serialize;

/// The middle value; of an even number, the mean of the two in the middle. NaN if there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// The middle, the least and the greatest of some figures.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these figures.
    pub fn of(values: &[f64]) -> Spread {
        Spread {
            median: median(values),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This much or less.
    AtMost(f64),
    /// This much or more.
    AtLeast(f64),
}

impl Target {
    /// `ok`, or by how much it falls short.
    pub fn judge(self, figure: f64) -> Result<(), f64> {
        let (short, ok) = match self {
            Target::AtMost(most) => (figure - most, figure <= most),
            Target::AtLeast(least) => (least - figure, figure >= least),
        };
        if ok { Ok(()) } else { Err(short) }
    }

    /// `≤ 1.00  ok` or `≤ 1.00  short by 0.12`.
    pub fn verdict(self, figure: f64) -> String {
        let target = match self {
            Target::AtMost(most) => format!("≤ {most}"),
            Target::AtLeast(least) => format!("≥ {least}"),
        };
        match self.judge(figure) {
            Ok(()) => format!("{target}  ok"),
            Err(short) => format!("{target}  short by {short:.3}"),
        }
    }
}

/// 0 if every target was met, else 1.
pub fn exit_code(all_met: bool) -> ExitCode {
    if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[9.0, 1.0, 3.0]), 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_figure_that_is_not_a_number_meets_no_target() {
        assert!(Target::AtMost(1.0).judge(f64::NAN).is_err());
        assert!(Target::AtLeast(1.0).judge(f64::NAN).is_err());
    }

    #[test]
    fn a_figure_that_falls_short_says_by_how_much() {
        assert_eq!(Target::AtMost(1.0).judge(1.0), Ok(()));
        assert_eq!(Target::AtMost(1.0).judge(1.5), Err(0.5));
        assert_eq!(Target::AtLeast(1.0).verdict(0.75), "≥ 1  short by 0.250");
    }
}
