//! Time in columns.

use std::ops::Range;
use std::time::Duration;

/// Shown before the signal, in milliseconds.
const LEAD: f64 = 300.0;
/// What a column may be worth, in milliseconds, times powers of ten.
const STEPS: [f64; 8] = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5];
/// What may lie between two labels of the axis, in milliseconds, times powers of ten.
const TICKS: [f64; 3] = [1.0, 2.0, 5.0];
/// Columns that a label of the axis takes at least.
const LABEL: f64 = 10.0;

/// A stretch of time from a little before the signal to the target's end, in columns of equal worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Milliseconds per column.
    pub(super) step: f64,
    /// Where the first column begins, milliseconds from the signal.
    from: f64,
    /// Columns, the last of which has the target's end in it.
    pub(super) columns: usize,
}

impl Scale {
    /// The finest scale on which it all fits into so many columns.
    pub(super) fn fitting(signal_to_exit: Duration, columns: usize) -> Self {
        let end = signal_to_exit.as_secs_f64() * 1e3;
        let fits = |step: &f64| (LEAD / step).ceil() + (end / step).floor() + 1.0 <= columns as f64;
        let step = growing(5.0, &STEPS).find(fits).unwrap_or(f64::MAX);
        let from = -(LEAD / step).ceil() * step;
        Self {
            step,
            from,
            columns: ((end - from) / step).floor() as usize + 1,
        }
    }

    /// The column that a moment falls in, if it is shown.
    pub(super) fn column(&self, at_ms: f64) -> Option<usize> {
        let column = ((at_ms - self.from) / self.step).floor();
        (column >= 0.0 && column < self.columns as f64).then_some(column as usize)
    }

    /// The milliseconds that a column stands for.
    pub(super) fn span(&self, column: usize) -> Range<f64> {
        let start = self.from + column as f64 * self.step;
        start..start + self.step
    }

    /// The column that begins with the signal.
    pub(super) fn zero(&self) -> usize {
        (-self.from / self.step).round() as usize
    }

    /// The labels of the axis: columns and texts, none upon another.
    pub(super) fn ticks(&self) -> Vec<(usize, String)> {
        let wide = |tick: &f64| tick / self.step >= LABEL;
        let tick = growing(100.0, &TICKS).find(wide).unwrap_or(f64::MAX);
        let from_zero = (0..)
            .map(|n| f64::from(n) * tick)
            .map_while(|at_ms| Some((self.column(at_ms)?, in_seconds(at_ms))));
        let first = (0, in_seconds(self.from));
        let is_clear = first.1.chars().count() < self.zero();
        is_clear
            .then_some(first)
            .into_iter()
            .chain(from_zero)
            .collect()
    }

    /// What a column is worth, in words.
    pub(super) fn worth(&self) -> String {
        match self.step {
            step if step < 1e3 => format!("{step} ms"),
            step => format!("{} s", step / 1e3),
        }
    }
}

/// The steps times growing powers of ten, from `least` on.
fn growing(least: f64, steps: &[f64]) -> impl Iterator<Item = f64> {
    (0..12)
        .flat_map(move |power| steps.iter().map(move |step| step * 10f64.powi(power)))
        .filter(move |step| *step >= least)
}

fn in_seconds(at_ms: f64) -> String {
    let seconds = (at_ms.abs() / 10.0).round() / 100.0;
    match at_ms {
        0.0 => "0".to_owned(),
        0.0.. => format!("+{seconds} s"),
        _ => format!("−{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_on_the_finest_scale_that_has_room() {
        for end_ms in [0, 1, 37, 1464, 6000, 35_000, 900_000] {
            for columns in [30, 51, 71, 91] {
                let scale = Scale::fitting(Duration::from_millis(end_ms), columns);
                assert!(scale.columns <= columns, "{end_ms} ms in {columns}");
                assert_eq!(scale.column(end_ms as f64), Some(scale.columns - 1));
                assert_eq!(scale.column(0.0), Some(scale.zero()));
                assert_eq!(scale.span(scale.zero()).start, 0.0);
            }
        }
    }

    #[test]
    fn labels_stand_clear_of_each_other() {
        for end_ms in [0, 200, 1464, 6000, 35_000] {
            let ticks = Scale::fitting(Duration::from_millis(end_ms), 71).ticks();
            for pair in ticks.windows(2) {
                assert!(
                    pair[0].0 + pair[0].1.chars().count() < pair[1].0,
                    "{ticks:?}"
                );
            }
        }
    }
}
