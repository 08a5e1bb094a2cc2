//! Figures taken in pairs (ours, theirs, ours, theirs …), and whether they are good enough.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

/// One measurement of lameduck and one of its neighbour, taken next to each other.
pub type Pair = (f64, f64);

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
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This much or less.
    AtMost(f64),
    /// This much or more.
    AtLeast(f64),
}

impl Target {
    /// `Err` holds by how much the figure falls short.
    pub fn judge(self, figure: f64) -> Result<(), f64> {
        let (short, ok) = match self {
            Target::AtMost(most) => (figure - most, figure <= most),
            Target::AtLeast(least) => (least - figure, figure >= least),
        };
        if ok { Ok(()) } else { Err(short) }
    }

    fn verdict(self, figure: f64, unit: &str) -> String {
        let target = match self {
            Target::AtMost(most) => format!("≤ {most}{unit}"),
            Target::AtLeast(least) => format!("≥ {least}{unit}"),
        };
        match self.judge(figure) {
            Ok(()) => format!("{target}  ok"),
            Err(short) => format!("{target}  short by {}{unit}", digits(short)),
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Compared {
    /// Ours divided by theirs.
    Ratio,
    /// Ours minus theirs.
    Difference,
    /// Ours as it is.
    Alone,
}

/// One line of a result.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    what: String,
    unit: &'static str,
    /// Median of ours.
    lameduck: f64,
    /// Median of theirs.
    neighbour: Option<f64>,
    compared: Compared,
    /// The ratio or difference pair by pair, or ours.
    figure: Spread,
    target: Option<Target>,
    met: Option<bool>,
}

impl Row {
    /// Compares by ratio.
    pub fn ratio(
        what: impl Into<String>,
        unit: &'static str,
        pairs: &[Pair],
        target: Option<Target>,
    ) -> Row {
        Row::new(what.into(), unit, pairs, Compared::Ratio, target)
    }

    /// Compares by difference.
    pub fn difference(
        what: impl Into<String>,
        unit: &'static str,
        pairs: &[Pair],
        target: Option<Target>,
    ) -> Row {
        Row::new(what.into(), unit, pairs, Compared::Difference, target)
    }

    /// Judges ours alone, and shows theirs.
    pub fn alone(
        what: impl Into<String>,
        unit: &'static str,
        pairs: &[Pair],
        target: Option<Target>,
    ) -> Row {
        Row::new(what.into(), unit, pairs, Compared::Alone, target)
    }

    fn new(
        what: String,
        unit: &'static str,
        pairs: &[Pair],
        compared: Compared,
        target: Option<Target>,
    ) -> Row {
        let figures: Vec<f64> = pairs
            .iter()
            .map(|(ours, theirs)| match compared {
                Compared::Ratio => ours / theirs,
                Compared::Difference => ours - theirs,
                Compared::Alone => *ours,
            })
            .collect();
        let figure = Spread::of(&figures);
        let theirs: Vec<f64> = pairs
            .iter()
            .map(|p| p.1)
            .filter(|theirs| !theirs.is_nan())
            .collect();
        Row {
            what,
            unit,
            lameduck: median(&pairs.iter().map(|p| p.0).collect::<Vec<_>>()),
            neighbour: (!theirs.is_empty()).then(|| median(&theirs)),
            compared,
            figure,
            target,
            met: target.map(|t| t.judge(figure.median).is_ok()),
        }
    }
}

/// Prints the rows, as a table or as JSON; the exit code is 0 if every target was met, else 1.
pub fn conclude(neighbour: &str, rows: &[Row], json: bool) -> anyhow::Result<ExitCode> {
    let text = if json {
        serde_json::to_string_pretty(rows)?
    } else {
        let head = format!(
            "{:<34} {:>13} {:>13}   {:<34} target",
            "", "lameduck", neighbour, "median (min to max)"
        );
        let lines = rows.iter().map(line);
        std::iter::once(head)
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n")
    };
    writeln!(std::io::stdout(), "{text}").context("cannot print the figures")?;
    let all_met = rows.iter().all(|row| row.met != Some(false));
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(row: &Row) -> String {
    let (label, unit) = match row.compared {
        Compared::Ratio => ("ratio", String::new()),
        Compared::Difference => ("difference", format!(" {}", row.unit)),
        Compared::Alone => ("lameduck", format!(" {}", row.unit)),
    };
    let theirs = row
        .neighbour
        .map_or_else(|| "-".to_owned(), |n| format!("{} {}", digits(n), row.unit));
    let figure = format!(
        "{label} {}{unit} ({} to {})",
        digits(row.figure.median),
        digits(row.figure.min),
        digits(row.figure.max)
    );
    let verdict = row
        .target
        .map_or_else(|| "-".to_owned(), |t| t.verdict(row.figure.median, &unit));
    let ours = format!("{} {}", digits(row.lameduck), row.unit);
    format!(
        "{:<34} {ours:>13} {theirs:>13}   {figure:<34} {verdict}",
        row.what
    )
}

/// Three digits that tell something.
fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
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
        assert_eq!(Target::AtMost(1.0).verdict(1.0, ""), "≤ 1  ok");
        assert_eq!(
            Target::AtLeast(1.0).verdict(0.75, ""),
            "≥ 1  short by 0.250"
        );
        assert_eq!(
            Target::AtMost(50.0).verdict(62.0, " ms"),
            "≤ 50 ms  short by 12.0 ms"
        );
    }

    #[test]
    fn a_row_is_judged_by_the_median_of_its_pairs() {
        let pairs = [(1.0, 2.0), (3.0, 2.0), (4.0, 4.0)];
        let row = Row::ratio("x", "ns", &pairs, Some(Target::AtMost(1.0)));
        assert_eq!(
            (row.figure.min, row.figure.median, row.figure.max),
            (0.5, 1.0, 1.5)
        );
        assert_eq!(row.met, Some(true));
        let row = Row::difference("x", "ns", &pairs, Some(Target::AtMost(-0.5)));
        assert_eq!((row.figure.median, row.met), (0.0, Some(false)));
    }
}
