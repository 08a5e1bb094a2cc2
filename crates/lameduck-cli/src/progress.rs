//! What is shown while a run runs: a moving line on a terminal, else one plain line per round. On standard error.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lameduck_check::ledger::{Round, RoundKind, Tally};
use lameduck_check::{Event, Observer};

pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    rounds: OnceLock<u32>,
    /// When the run is likely to be over.
    over: Mutex<Option<Instant>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {bar:30} round {pos} of {len}: {msg}")
        {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self {
            bar,
            is_terminal,
            rounds: OnceLock::new(),
            over: Mutex::default(),
        }
    }

    /// A line of its own.
    fn say(&self, words: &str) {
        match self.is_terminal {
            true => self.bar.println(words),
            // Nobody may be reading any more, and the run goes on.
            false => drop(writeln!(std::io::stderr(), "{words}")),
        }
    }

    /// How much longer it is likely to take, if that is worth a word.
    fn left(&self) -> String {
        let over = *self.over.lock().unwrap_or_else(PoisonError::into_inner);
        let left = over.map(|over| over.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left > Duration::from_millis(500) => {
                format!("; about {} to go", in_seconds(left))
            }
            _ => String::new(),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Planned {
                rounds,
                kinds,
                takes,
                budget,
            } => {
                self.say(&beforehand(kinds, *takes, *budget));
                self.bar.set_length(u64::from(*rounds));
                self.bar.enable_steady_tick(Duration::from_millis(120));
                self.rounds.get_or_init(|| *rounds);
            }
            Event::Expected { left } => {
                let over = Instant::now() + *left;
                *self.over.lock().unwrap_or_else(PoisonError::into_inner) = Some(over);
            }
            Event::RoundBegan { number, kind } => {
                self.bar.set_position(u64::from(*number));
                self.bar
                    .set_message(format!("{kind}, starting{}", self.left()));
            }
            Event::Signalled { kind, .. } => self
                .bar
                .set_message(format!("{kind}, stopping{}", self.left())),
            Event::RoundEnded { round } if !self.is_terminal => {
                let rounds = self.rounds.get().copied().unwrap_or(0);
                self.say(&format!(
                    "round {} of {rounds} ({}): {}{}",
                    round.number,
                    round.kind,
                    in_words(round),
                    self.left()
                ));
            }
            Event::RoundEnded { .. } => {}
        }
    }
}

/// `about 41 s: 6 shutdowns under load, 1 with idle peers`.
fn beforehand(kinds: &[(RoundKind, u32)], takes: Duration, budget: Option<Duration>) -> String {
    let counted = kinds.iter().map(|(kind, count)| {
        let shutdowns = match (kind, count) {
            (RoundKind::Load, 1) => "1 shutdown".to_owned(),
            (RoundKind::Load, count) => format!("{count} shutdowns"),
            (_, count) => count.to_string(),
        };
        format!("{shutdowns} {}", what_for(*kind))
    });
    let counted: Vec<String> = counted.collect();
    let bound = match budget {
        Some(budget) => format!(", at most {}", in_seconds(budget)),
        None => String::new(),
    };
    format!("about {}{bound}: {}", in_seconds(takes), counted.join(", "))
}

fn what_for(kind: RoundKind) -> &'static str {
    match kind {
        RoundKind::Load => "under load",
        RoundKind::Idle => "with idle peers",
        RoundKind::Startup => "during start-up",
        RoundKind::SecondSignal => "with repeated signals",
        RoundKind::Stuck => "with a request that never ends",
        RoundKind::Settle => "to finish the jobs left over",
        RoundKind::Episode => "around the trigger",
    }
}

/// `41 s`, `6 min`.
fn in_seconds(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 120.0 => format!("{:.0} s", seconds.ceil()),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

fn in_words(round: &Round) -> String {
    let end = format!(
        "{} after {:.3} s",
        round.exit.describe(),
        round.signal_to_exit().as_secs_f64()
    );
    if round.kind != RoundKind::Load {
        return end;
    }
    let lost = round
        .exchanges
        .iter()
        .filter(|exchange| exchange.ending.is_lost())
        .count();
    let Tally { ok, ok_close, .. } = Tally::of(&round.exchanges);
    let books = match round.audit.as_ref().and_then(|audit| audit.closed) {
        Some(books) => format!("; its books then: {books}"),
        None => String::new(),
    };
    format!("{} answered, {lost} lost, {end}{books}", ok + ok_close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_takes_is_told_beforehand() {
        let kinds = [
            (RoundKind::Load, 6),
            (RoundKind::Idle, 1),
            (RoundKind::Startup, 5),
        ];
        let told = beforehand(&kinds, Duration::from_millis(40_600), None);
        assert_eq!(
            told,
            "about 41 s: 6 shutdowns under load, 1 with idle peers, 5 during start-up"
        );
        let minute = Some(Duration::from_secs(60));
        let told = beforehand(&kinds[..1], Duration::from_secs(41), minute);
        assert_eq!(told, "about 41 s, at most 60 s: 6 shutdowns under load");
        assert_eq!(in_seconds(Duration::from_secs(600)), "10 min");
    }
}
