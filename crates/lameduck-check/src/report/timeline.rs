//! One shutdown as a picture: time from left to right, a row for each thing that was watched.

use std::fmt::Write;
use std::time::Duration;

use super::Look;
use super::scale::Scale;
use super::table::distance;
use crate::ledger::{Ending, Ledger, Round, Sample};

/// Columns of a row's name.
const NAME: usize = 17;
/// Columns of what is said of a row at its end.
const NOTE: usize = 13;
/// Columns of a picture, at least and at most.
const WIDTH: (u16, u16) = (60, 132);
/// In it a probe that cannot be reached shows no more than that the target is ending.
const LAST_MOMENT: Duration = Duration::from_millis(100);
/// From a little to the most that a row has.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Colours of the target's phases, in turn.
const PHASES: [&str; 4] = ["32", "33", "36", "35"];

const GREEN: &str = "32";
const RED: &str = "31";
const YELLOW: &str = "33";
const DIM: &str = "2";
const BOLD: &str = "1";

/// A phase of the shutdown, as the target itself tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it lasted. The first begins with the signal, each other one with the end of the one before.
    pub lasted: Duration,
}

/// Draws one round, from 0.3 s before the signal to the target's end. Ends with a line break.
///
/// A scale is chosen that fits into the look's width (but never below 60 columns, nor above 132). `phases` are what
/// the target says of itself; without any their row is left out, as are the rows of probes that nobody watched.
///
/// ```no_run
/// use lameduck_check::report::{Look, timeline};
///
/// # fn example(outcome: &lameduck_check::Outcome) {
/// for round in outcome.ledger.load_rounds().take(1) {
///     println!("{}", timeline(&outcome.ledger, round, &[], Look::PLAIN));
/// }
/// # }
/// ```
pub fn timeline(ledger: &Ledger, round: &Round, phases: &[Phase], look: Look) -> String {
    let width = usize::from(look.width.clamp(WIDTH.0, WIDTH.1));
    let scale = Scale::fitting(round.signal_to_exit(), width - NAME - NOTE);
    let mut rows = vec![
        marks(ledger, round, &scale),
        labels(&scale),
        axis(&scale),
        phase_row(phases, &scale),
        probe_row("readiness", round, &round.readiness, &scale),
        probe_row("liveness", round, &round.liveness, &scale),
    ];
    rows.extend(counts(round, &scale).map(Some));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}\n", look.paint(BOLD, &title(ledger, round)));
    for row in rows.into_iter().flatten() {
        let _ = writeln!(text, "{}", row.print(look));
    }
    let legend = format!(
        "{:NAME$}a column is {}{}",
        "",
        scale.worth(),
        match round.readiness.is_empty() && round.liveness.is_empty() {
            true => "",
            false => " · probes: ■ 200 □ not",
        }
    );
    let _ = writeln!(text, "{}", look.paint(DIM, &legend));
    text
}

fn title(ledger: &Ledger, round: &Round) -> String {
    let in_flight = spans(round)
        .filter(|(began, ended)| *began <= 0.0 && *ended > 0.0)
        .count();
    let in_flight = match in_flight {
        1 => "1 request is".to_owned(),
        count => format!("{count} requests are"),
    };
    format!(
        "Round {}, {}: {} while {in_flight} in flight",
        round.number,
        distance(round.rtt),
        ledger.signal
    )
}

/// A name, one character per column, and a remark.
struct Row {
    name: String,
    cells: Vec<(char, &'static str)>,
    note: String,
}

impl Row {
    fn blank(name: &str, columns: usize) -> Self {
        Self {
            name: name.to_owned(),
            cells: vec![(' ', ""); columns],
            note: String::new(),
        }
    }

    /// Writes over what is there, and past its end where it must.
    fn write(&mut self, column: usize, words: &str, code: &'static str) {
        for (column, char) in (column..).zip(words.chars()) {
            if column >= self.cells.len() {
                self.cells.resize(column + 1, (' ', ""));
            }
            self.cells[column] = (char, code);
        }
    }

    fn print(&self, look: Look) -> String {
        let mut text = format!("{:NAME$}", self.name);
        let is_blank = |cell: &&(char, &str)| cell.0 == ' ' && self.note.is_empty();
        let blank = self.cells.iter().rev().take_while(is_blank).count();
        let cells = &self.cells[..self.cells.len() - blank];
        for run in cells.chunk_by(|(_, one), (_, other)| one == other) {
            let words: String = run.iter().map(|(char, _)| char).collect();
            text.push_str(&look.paint(run[0].1, &words));
        }
        if !self.note.is_empty() {
            text.push_str(&look.paint(DIM, &format!("  {}", self.note)));
        }
        text.trim_end().to_owned()
    }
}

/// The signal from the left, the end from whichever side has room for more words.
fn marks(ledger: &Ledger, round: &Round, scale: &Scale) -> Option<Row> {
    let signal = format!("{} ▼", ledger.signal);
    let zero = scale.zero();
    let mut row = Row::blank("", 0);
    let start = NAME + zero + 1 - signal.chars().count().min(NAME + zero + 1);
    row.write(start, &signal, BOLD);
    let exit = match round.exit.killed {
        true => "killed".to_owned(),
        false => format!("exit {}", round.exit.shell_code()),
    };
    let after = format!(
        "{exit} after {:.3} s ▼",
        round.signal_to_exit().as_secs_f64()
    );
    let (last, long) = (scale.columns - 1, after.chars().count());
    let color = match round.exit.code {
        Some(0) => GREEN,
        _ => RED,
    };
    match last > zero + 1 + long {
        true => row.write(NAME + last + 1 - long, &after, color),
        false => row.write(NAME + last.max(zero + 2), &format!("▼ {exit}"), color),
    }
    // The words may begin where names stand, so this row has none.
    row.name = row.cells.drain(..NAME).map(|(char, _)| char).collect();
    Some(row)
}

fn labels(scale: &Scale) -> Option<Row> {
    let mut row = Row::blank("", scale.columns);
    for (column, label) in scale.ticks() {
        row.write(column, &label, DIM);
    }
    Some(row)
}

fn axis(scale: &Scale) -> Option<Row> {
    let mut row = Row::blank("", 0);
    row.write(0, &"─".repeat(scale.columns), DIM);
    for (column, _) in scale.ticks() {
        row.write(column, "┬", DIM);
    }
    Some(row)
}

/// Each phase as its name and a line as long as it lasted. A name that does not fit is left out, but the last one
/// has the margin.
fn phase_row(phases: &[Phase], scale: &Scale) -> Option<Row> {
    let mut row = Row::blank("phase", scale.columns);
    let mut starts = vec![(0, "ready", PHASES[0])];
    let mut at_ms = 0.0;
    for (phase, code) in phases.iter().zip(PHASES.iter().cycle().skip(1)) {
        let column = scale.column(at_ms).unwrap_or(scale.columns - 1);
        // What lasted less than a column gives way to what came after it.
        starts.retain(|(start, ..)| *start < column);
        starts.push((column, &phase.name, code));
        at_ms += phase.lasted.as_secs_f64() * 1e3;
    }
    let ends = starts.iter().skip(1).map(|(start, ..)| Some(*start));
    let ends: Vec<Option<usize>> = ends.chain([None]).collect();
    for ((start, name, code), end) in starts.iter().zip(ends) {
        let edge = if *start == 0 { "" } else { "│" };
        let room = end.unwrap_or(scale.columns) - start - edge.chars().count();
        row.write(*start, edge, code);
        let start = start + edge.chars().count();
        row.write(start, &"─".repeat(room), code);
        let is_last = end.is_none();
        if name.chars().count() + 1 < room || is_last {
            let name: String = name.chars().take(room.max(NOTE - 1)).collect();
            row.write(start, &format!("{name} "), code);
        }
    }
    (!phases.is_empty()).then_some(row)
}

fn probe_row(name: &str, round: &Round, samples: &[Sample], scale: &Scale) -> Option<Row> {
    let mut row = Row::blank(name, scale.columns);
    let mut seen: Vec<Option<bool>> = vec![None; scale.columns];
    // A process closes its sockets a moment before its end can be seen.
    let lived = |sample: &&Sample| {
        let until_end = round.exit.at.saturating_duration_since(sample.asked);
        !until_end.is_zero() && (sample.status.is_ok() || until_end > LAST_MOMENT)
    };
    // By when it was answered: one that took long may have been asked in another phase.
    for sample in samples.iter().filter(lived) {
        if let Some(column) = scale.column(round.at_ms(sample.answered)) {
            seen[column] = Some(sample.is_good() && seen[column] != Some(false));
        }
    }
    // What it was last before the picture begins.
    let earlier = |sample: &&Sample| round.at_ms(sample.answered) < scale.span(0).start;
    let mut state = samples.iter().rfind(earlier).map(Sample::is_good);
    for (cell, seen) in row.cells.iter_mut().zip(seen) {
        state = seen.or(state);
        *cell = match state {
            Some(true) => ('■', GREEN),
            Some(false) => ('□', YELLOW),
            None => (' ', ""),
        };
    }
    let signal = round.signalled();
    let mut after = samples
        .iter()
        .filter(lived)
        .filter(|sample| sample.asked >= signal);
    row.note = match after.find(|sample| !sample.is_good()) {
        Some(sample) => format!("off +{:.0} ms", round.at_ms(sample.answered)),
        None => "held".to_owned(),
    };
    (!samples.is_empty()).then_some(row)
}

fn counts(round: &Round, scale: &Scale) -> impl Iterator<Item = Row> {
    let ended = |is_one: fn(Ending) -> bool| -> Vec<usize> {
        let ones = round
            .exchanges
            .iter()
            .filter(|exchange| is_one(exchange.ending));
        per_column(scale, ones.map(|exchange| round.at_ms(exchange.ended)))
    };
    let answers = ended(Ending::is_answered);
    let refused = ended(|ending| matches!(ending, Ending::Refused | Ending::Unprocessed));
    let lost = ended(Ending::is_lost);
    let opened = round
        .connections
        .iter()
        .map(|connection| round.at_ms(connection.opened));
    let opened = per_column(scale, opened);
    let peak = |counts: &[usize]| format!("peak {}", counts.iter().max().unwrap_or(&0));
    let all = |counts: &[usize]| match counts.iter().sum() {
        0 => "none".to_owned(),
        all => format!("{all} in all"),
    };
    let in_flight = in_flight(round, scale);
    [
        bars(
            &format!("answers/{}", scale.worth()),
            &answers,
            "36",
            peak(&answers),
        ),
        bars("in flight", &in_flight, "36", peak(&in_flight)),
        bars("new connections", &opened, "36", peak(&opened)),
        bars("refused", &refused, DIM, all(&refused)),
        bars("lost", &lost, RED, all(&lost)),
    ]
    .into_iter()
}

fn per_column(scale: &Scale, moments: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut counts = vec![0; scale.columns];
    for column in moments.filter_map(|at_ms| scale.column(at_ms)) {
        counts[column] += 1;
    }
    counts
}

/// When each request that was sent began and ended, in milliseconds.
fn spans(round: &Round) -> impl Iterator<Item = (f64, f64)> {
    let sent = round
        .exchanges
        .iter()
        .filter(|exchange| exchange.written.is_some());
    sent.map(|exchange| (round.at_ms(exchange.began), round.at_ms(exchange.ended)))
}

/// Begun and not over in the middle of each column.
fn in_flight(round: &Round, scale: &Scale) -> Vec<usize> {
    let spans: Vec<(f64, f64)> = spans(round).collect();
    let at = |column: usize| {
        let span = scale.span(column);
        let middle = f64::midpoint(span.start, span.end);
        let is_open = |(began, ended): &&(f64, f64)| *began <= middle && *ended > middle;
        spans.iter().filter(is_open).count()
    };
    (0..scale.columns).map(at).collect()
}

fn bars(name: &str, counts: &[usize], code: &'static str, note: String) -> Row {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &usize| match count {
        0 => (' ', ""),
        count => (BARS[(count * BARS.len()).div_ceil(most) - 1], code),
    };
    Row {
        name: name.to_owned(),
        cells: counts.iter().map(bar).collect(),
        note,
    }
}
