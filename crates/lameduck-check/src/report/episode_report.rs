//! What came of a trigger: its end, and what clients saw before, during and after it.

use serde::{Deserialize, Serialize};

use super::round_report::millis;
use crate::ledger::EpisodeWindow;
use crate::trace::RoundTrace;

/// One run of a trigger, under load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeReport {
    /// The number of its round.
    pub round: u32,
    /// How long the trigger took.
    pub trigger_ms: f64,
    /// Its exit code; `None` if a signal ended it.
    pub exit: Option<i32>,
    /// How it ended, in words.
    pub how: String,
    /// The end of what it wrote, both streams as they came.
    pub output: String,
    /// Before, during and after it.
    pub windows: Vec<EpisodeWindow>,
}

impl EpisodeReport {
    pub(super) fn of(round: &RoundTrace) -> Option<Self> {
        let output = round.trigger_output.clone()?;
        Some(Self {
            round: round.number,
            trigger_ms: millis(round.signal_to_exit()),
            exit: round.exit.code,
            how: round.exit.describe(),
            output,
            windows: round.windows.clone(),
        })
    }

    /// For people: a line for each part, and the end of the output.
    pub(super) fn lines(&self) -> Vec<String> {
        const SHOWN: usize = 10;
        let mut lines = vec![
            format!(
                "trigger         {} after {:.3} s",
                self.how,
                self.trigger_ms / 1e3
            ),
            format!(
                "{:16}{:>9} {:>9} {:>6} {:>8} {:>11} {:>5} {:>8} {:>10} {:>9} {:>9} {:>9}",
                "",
                "time",
                "requests",
                "lost",
                "refused",
                "unanswered",
                "5xx",
                "changed",
                "reconnects",
                "p50",
                "p99",
                "p99.9"
            ),
        ];
        let ms = |quantile: Option<f64>| match quantile {
            Some(ms) => format!("{ms:.1} ms"),
            None => "–".to_owned(),
        };
        lines.extend(self.windows.iter().map(|window| {
            format!(
                "{:16}{:>7.1} s {:>9} {:>6} {:>8} {:>11} {:>5} {:>8} {:>10} {:>9} {:>9} {:>9}",
                window.name.name(),
                window.ms / 1e3,
                window.requests,
                window.lost,
                window.refused,
                window.unanswered,
                window.status_5xx,
                window.changed,
                window.reconnects,
                ms(window.p50_ms),
                ms(window.p99_ms),
                ms(window.p999_ms)
            )
        }));
        let said: Vec<&str> = self.output.lines().collect();
        let last = &said[said.len().saturating_sub(SHOWN)..];
        lines.extend(last.iter().map(|line| format!("  | {line}")));
        lines
    }
}
