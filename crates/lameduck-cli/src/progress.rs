//! What is shown while a run runs: a moving line on a terminal, else one plain line per round. On standard error.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lameduck_check::ledger::{Round, RoundKind, Tally};
use lameduck_check::{Event, Observer};

pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    rounds: OnceLock<u32>,
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
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Planned { rounds } => {
                self.bar.set_length(u64::from(*rounds));
                self.bar.enable_steady_tick(Duration::from_millis(120));
                self.rounds.get_or_init(|| *rounds);
            }
            Event::RoundBegan { number, kind } => {
                self.bar.set_position(u64::from(*number));
                self.bar.set_message(format!("{kind}, starting"));
            }
            Event::Signalled { kind, .. } => self.bar.set_message(format!("{kind}, stopping")),
            Event::RoundEnded { round } if !self.is_terminal => {
                let rounds = self.rounds.get().copied().unwrap_or(0);
                // Nobody may be reading any more, and the run goes on.
                let _ = writeln!(
                    std::io::stderr(),
                    "round {} of {rounds} ({}): {}",
                    round.number,
                    round.kind,
                    in_words(round)
                );
            }
            Event::RoundEnded { .. } => {}
        }
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
