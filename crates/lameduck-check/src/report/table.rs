//! The outcome as a table, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
    presets,
};

use super::Look;
use crate::run::Outcome;
use crate::verdict::{Judgement, Verdict};

/// Pieces of evidence shown per promise; the JSON has more.
const SHOWN: usize = 3;

/// Columns between two columns of the table, and the place of the one that may take several lines.
const GAP: u16 = 2;
const WHY: usize = 5;

/// A line under the header and none elsewhere: one line per promise. No column is spent on borders.
const LINES: TableStyle = presets::NOTHING.header_separator(LineStyle::none().fill('─'));

/// The verdicts, one line per promise, then the counts, then the evidence. Ends with a line break.
pub fn table(outcome: &Outcome, look: Look) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, outcome, look);
    text
}

fn write_all(text: &mut String, outcome: &Outcome, look: Look) -> std::fmt::Result {
    let bold = |words: &str| look.paint("1", words);
    let rtts: Vec<String> = outcome.ledger.rtts().into_iter().map(distance).collect();
    let rtt = rtts.join(" and ");
    let rounds = match outcome.rounds {
        1 => "1 round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    writeln!(text, "{}", bold(&outcome.target))?;
    writeln!(
        text,
        "{rounds} under load, {rtt}, {}, seed {}\n",
        outcome.ledger.signal, outcome.seed
    )?;
    writeln!(text, "{}\n", promises(outcome, look).trim_fmt())?;
    writeln!(text, "{}", requests(outcome, look))?;
    writeln!(text, "{}", exits(outcome, look))?;
    for verdict in outcome
        .verdicts
        .iter()
        .filter(|verdict| verdict.judgement == Judgement::Broken)
    {
        writeln!(text, "\n{} {}", look.paint("31", "✘"), bold(verdict.name))?;
        for evidence in verdict.evidence.iter().take(SHOWN) {
            writeln!(
                text,
                "    round {} at {:+.1} ms: {}: {}",
                evidence.round, evidence.at_ms, evidence.r#where, evidence.what
            )?;
        }
        let shown = verdict.evidence.iter().take(SHOWN);
        let told: u64 = shown.map(|evidence| evidence.failures).sum();
        let more = verdict.failures.saturating_sub(told);
        if more > 0 {
            writeln!(text, "    and {more} more")?;
        }
    }
    let count = |judgement| {
        outcome
            .verdicts
            .iter()
            .filter(|verdict| verdict.judgement == judgement)
            .count()
    };
    let (kept, broken, skipped) = (
        count(Judgement::Kept),
        count(Judgement::Broken),
        count(Judgement::Skipped),
    );
    let summary = format!("{kept} kept, {broken} broken, {skipped} not tested");
    writeln!(
        text,
        "\n{}",
        look.paint(if broken > 0 { "1;31" } else { "1;32" }, &summary)
    )
}

/// How far away the clients were.
pub(super) fn distance(rtt: Duration) -> String {
    match rtt.is_zero() {
        true => "loopback".to_owned(),
        false => format!("{} ms round trip", rtt.as_secs_f64() * 1e3),
    }
}

fn promises(outcome: &Outcome, look: Look) -> Table {
    let mut table = Table::new();
    table
        .load_style(LINES)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width);
    if look.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(["", "promise", "trials", "failed", "≤ at 95 %", "why"]);
    for (index, column) in table.column_iter_mut().enumerate() {
        // The last column has the whole rest of the width.
        column.set_padding((0, if index == WHY { 0 } else { GAP }));
        if (2..=4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for verdict in &outcome.verdicts {
        table.add_row(row(verdict, look));
    }
    table
}

fn row(verdict: &Verdict, look: Look) -> Vec<Cell> {
    let (mark, color) = match verdict.judgement {
        Judgement::Kept => ("✔", Color::Green),
        Judgement::Broken => ("✘", Color::Red),
        Judgement::Skipped => ("–", Color::DarkGrey),
    };
    let [trials, failures, bound] = match verdict.judgement {
        Judgement::Skipped => [String::new(), String::new(), String::new()],
        _ => [
            verdict.trials.to_string(),
            verdict.failures.to_string(),
            percent(verdict.bound95),
        ],
    };
    let texts = [
        mark.to_owned(),
        verdict.name.to_owned(),
        trials,
        failures,
        bound,
        verdict.why.clone(),
    ];
    let cells = texts.into_iter().enumerate().map(|(column, text)| {
        let cell = Cell::new(text);
        match (look.color, verdict.judgement, column) {
            (false, ..) => cell,
            (_, Judgement::Skipped, 1) | (_, _, 0) => cell.fg(color),
            (_, Judgement::Broken, 1) => cell.fg(color).add_attribute(Attribute::Bold),
            _ => cell,
        }
    });
    cells.collect()
}

/// Two digits that matter.
fn percent(rate: f64) -> String {
    let percent = rate * 100.0;
    match percent {
        10.0.. => format!("{percent:.0} %"),
        1.0.. => format!("{percent:.1} %"),
        0.1.. => format!("{percent:.2} %"),
        _ => format!("{percent:.3} %"),
    }
}

fn requests(outcome: &Outcome, look: Look) -> String {
    let tally = &outcome.tally;
    let counts = [
        (tally.ok, "ok"),
        (tally.ok_close, "ok, then closed as announced"),
        (tally.refused, "refused"),
        (tally.reset_before_response, "reset before a response"),
        (tally.eof_before_response, "closed before a response"),
        (tally.truncated, "cut in the response"),
        (tally.status_5xx, "status 5xx"),
        (tally.timeout, "never answered"),
    ];
    let counts = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"));
    listed("requests", counts, look)
}

/// More rounds than that are told by their range.
const EACH_ROUND: usize = 12;

fn exits(outcome: &Outcome, look: Look) -> String {
    let exits = outcome.ledger.load_rounds().map(|round| {
        let how = match (round.exit.killed, round.exit.released) {
            (true, _) => "killed".to_owned(),
            (_, true) => format!(
                "exit {}, once its clients had been sent away",
                round.exit.shell_code()
            ),
            _ => format!("exit {}", round.exit.shell_code()),
        };
        (how, round.signal_to_exit().as_secs_f64())
    });
    let exits: Vec<_> = exits.collect();
    let told = match exits.len() {
        0..=EACH_ROUND => exits
            .iter()
            .map(|(how, seconds)| format!("{seconds:.3} s ({how})"))
            .collect(),
        _ => by_end(exits),
    };
    listed("signal to exit", told.into_iter(), look)
}

/// `0.131 to 0.313 s, median 0.242 s (exit 0, 100 times)`, for each way to end.
pub(super) fn by_end(exits: Vec<(String, f64)>) -> Vec<String> {
    let mut ends: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (how, seconds) in exits {
        ends.entry(how).or_default().push(seconds);
    }
    let told = ends.into_iter().map(|(how, mut seconds)| {
        seconds.sort_by(f64::total_cmp);
        match seconds[..] {
            [once] => format!("{once:.3} s ({how}, once)"),
            _ => format!(
                "{:.3} to {:.3} s, median {:.3} s ({how}, {} times)",
                seconds[0],
                seconds[seconds.len() - 1],
                seconds[seconds.len() / 2],
                seconds.len(),
            ),
        }
    });
    told.collect()
}

/// A name, then items, in as many lines as they need.
fn listed(name: &str, items: impl Iterator<Item = String>, look: Look) -> String {
    const INDENT: usize = 16;
    let mut text = format!("{name:INDENT$}");
    let mut column = INDENT;
    let mut is_first = true;
    for item in items {
        let width = item.chars().count();
        if is_first {
            is_first = false;
        } else if column + 3 + width > usize::from(look.width) {
            text.push_str(&format!("\n{:INDENT$}", ""));
            column = INDENT;
        } else {
            text.push_str(" · ");
            column += 3;
        }
        text.push_str(&item);
        column += width;
    }
    if is_first {
        text.push_str("none");
    }
    text
}
