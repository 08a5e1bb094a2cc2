//! One shutdown as a picture: time from left to right, a row for each thing that was watched.

use std::fmt::Write;
use std::time::Duration;

use super::Look;
use super::scale::Scale;
use super::table::distance;
use crate::ledger::{Ending, Sample, Terms};
use crate::trace::{RequestBar, RoundTrace, Timeline};

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
pub struct TimelinePhase {
    /// Its name.
    pub name: String,
    /// How long it lasted. The first begins with the signal, each other one with the end of the one before.
    pub lasted: Duration,
}

/// Draws one round, from 0.3 s before the signal to the target's end. Ends with a line break.
///
/// A scale is chosen that fits into the look's width (but never below 60 columns, nor above 132). `phases` are what
/// the target says of itself; without any their row is left out, as are the rows of probes that nobody watched, and of
/// requests where no [`timeline`](RoundTrace::timeline) was kept.
///
/// ```no_run
/// use lameduck_check::report::{Look, timeline};
///
/// # fn example(outcome: &lameduck_check::RunOutcome) {
/// for round in outcome.trace.load_rounds().take(1) {
///     println!("{}", timeline(&outcome.terms, round, &[], Look::PLAIN));
/// }
/// # }
/// ```
pub fn timeline(terms: &Terms, round: &RoundTrace, phases: &[TimelinePhase], look: Look) -> String {
    let nothing = Timeline::default();
    let seen = round.timeline.as_deref().unwrap_or(&nothing);
    let width = usize::from(look.width.clamp(WIDTH.0, WIDTH.1));
    let scale = Scale::fitting(round.signal_to_exit(), width - NAME - NOTE);
    let mut rows = vec![
        marks(terms, round, &scale),
        labels(&scale),
        axis(&scale),
        phase_row(phases, &scale),
        probe_row("readiness", round, &seen.readiness, &scale),
        probe_row("liveness", round, &seen.liveness, &scale),
    ];
    rows.extend(counts(round, seen, &scale).map(Some));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}\n", look.paint(BOLD, &title(terms, round, seen)));
    for row in rows.into_iter().flatten() {
        let _ = writeln!(text, "{}", row.print(look));
    }
    let legend = format!(
        "{:NAME$}a column is {}{}{}",
        "",
        scale.worth(),
        match seen.readiness.is_empty() && seen.liveness.is_empty() {
            true => "",
            false => " · probes: ■ 200 □ not",
        },
        match seen.each() {
            1.0 => String::new(),
            each => format!(" · by one request in {each:.1}"),
        }
    );
    let _ = writeln!(text, "{}", look.paint(DIM, &legend));
    text
}

fn title(terms: &Terms, round: &RoundTrace, seen: &Timeline) -> String {
    let in_flight = match whole(open_at(&spans(round, seen), 0.0)) {
        1 => "1 request is".to_owned(),
        count => format!("{count} requests are"),
    };
    format!(
        "Round {}, {}: {} while {in_flight} in flight",
        round.number,
        distance(round.rtt),
        terms.signal
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
fn marks(terms: &Terms, round: &RoundTrace, scale: &Scale) -> Option<Row> {
    let signal = format!("{} ▼", terms.signal);
    let zero = scale.zero();
    let mut row = Row::blank("", 0);
    let start = NAME + zero + 1 - signal.chars().count().min(NAME + zero + 1);
    row.write(start, &signal, BOLD);
    let exit = round.exit.in_brief();
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
fn phase_row(phases: &[TimelinePhase], scale: &Scale) -> Option<Row> {
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

fn probe_row(name: &str, round: &RoundTrace, samples: &[Sample], scale: &Scale) -> Option<Row> {
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

fn counts(round: &RoundTrace, seen: &Timeline, scale: &Scale) -> impl Iterator<Item = Row> {
    let ended = |is_one: fn(Ending) -> bool| -> Vec<usize> {
        let ones = seen.requests.iter().filter(|bar| is_one(bar.ending));
        per_column(scale, ones.map(|bar| (round.at_ms(bar.ended), bar.each)))
    };
    let answers = ended(Ending::is_answered);
    let refused = ended(|ending| matches!(ending, Ending::Refused | Ending::Unprocessed));
    let lost = ended(Ending::is_lost);
    let connections = seen.connections.iter();
    let opened = connections.map(|it| (round.at_ms(it.opened), seen.connections_each));
    let opened = per_column(scale, opened);
    let peak = |counts: &[usize]| format!("peak {}", counts.iter().max().unwrap_or(&0));
    let all = |counts: &[usize]| match counts.iter().sum() {
        0 => "none".to_owned(),
        all => format!("{all} in all"),
    };
    let in_flight = in_flight(round, seen, scale);
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

/// Moments, and how many each of them stands for.
fn per_column(scale: &Scale, moments: impl Iterator<Item = (f64, f64)>) -> Vec<usize> {
    let mut counts = vec![0.0; scale.columns];
    for (at_ms, each) in moments {
        if let Some(column) = scale.column(at_ms) {
            counts[column] += each;
        }
    }
    counts.into_iter().map(whole).collect()
}

/// What one that is kept stands for need not be a whole number of them.
fn whole(count: f64) -> usize {
    count.round() as usize
}

/// When a request that was sent began and ended, in milliseconds, and how many it stands for.
type Span = (f64, f64, f64);

fn spans(round: &RoundTrace, seen: &Timeline) -> Vec<Span> {
    let span = |bar: &RequestBar| (round.at_ms(bar.began), round.at_ms(bar.ended), bar.each);
    let sent = seen.requests.iter().filter(|bar| bar.written.is_some());
    sent.map(span).collect()
}

/// How many had begun and were not over.
fn open_at(spans: &[Span], at_ms: f64) -> f64 {
    let open = spans
        .iter()
        .filter(|(began, ended, _)| *began <= at_ms && *ended > at_ms);
    open.map(|(.., each)| each).sum()
}

/// Begun and not over in the middle of each column.
fn in_flight(round: &RoundTrace, seen: &Timeline, scale: &Scale) -> Vec<usize> {
    let spans = spans(round, seen);
    let at = |column: usize| {
        let span = scale.span(column);
        whole(open_at(&spans, f64::midpoint(span.start, span.end)))
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
