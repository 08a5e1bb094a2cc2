//! The report as a table, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
    presets,
};

use super::Look;
use super::check_report::{CheckReport, PromiseReport};
use super::episode_report::EpisodeReport;
use crate::explain::KnownFact;
use crate::verdict::{Class, Judgement, Shutdowns};

/// Pieces of evidence shown per promise; the JSON has more.
const SHOWN: usize = 3;

/// Columns between two columns of the table, and the place of the one that may take several lines.
const GAP: u16 = 2;
const WHY: usize = 5;

/// A line under the header and none elsewhere: one line per promise. No column is spent on borders.
const LINES: TableStyle = presets::NOTHING.header_separator(LineStyle::none().fill('─'));

/// The verdicts, one line per promise, then the counts, then the evidence. Ends with a line break.
pub fn table(report: &CheckReport, look: Look) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, report, look);
    text
}

fn write_all(text: &mut String, report: &CheckReport, look: Look) -> std::fmt::Result {
    let bold = |words: &str| look.paint("1", words);
    let rtts = report.rtts_ms.iter();
    let rtts: Vec<String> = rtts
        .map(|ms| distance(Duration::from_secs_f64(ms / 1e3)))
        .collect();
    let rtt = rtts.join(" and ");
    let rounds = match report.rounds {
        1 => "1 round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    writeln!(text, "{}", bold(&report.target))?;
    let what = match report.episodes.is_empty() {
        true => format!("{rounds} under load, {rtt}, {}", report.signal),
        false => format!("{rounds} of a trigger, {rtt}"),
    };
    writeln!(text, "{what}, seed {}\n", report.seed)?;
    writeln!(text, "{}\n", promises(report, look).trim_fmt())?;
    writeln!(text, "{}", requests(report, look))?;
    for line in report.episodes.iter().flat_map(EpisodeReport::lines) {
        writeln!(text, "{line}")?;
    }
    if report.episodes.is_empty() {
        writeln!(text, "{}", exits(report, look))?;
    }
    for remark in &report.remarks {
        writeln!(text, "{}", look.paint("33", remark))?;
    }
    let tried = report.promises.iter();
    let tried = tried.filter(|it| !it.evidence.is_empty() && it.verdict != Judgement::Skipped);
    for promise in tried {
        let mark = match promise.verdict {
            Judgement::Undecided => look.paint("33", "?"),
            _ => look.paint("31", "✘"),
        };
        writeln!(text, "\n{mark} {}", bold(&promise.name))?;
        for evidence in promise.evidence.iter().take(SHOWN) {
            writeln!(
                text,
                "    round {} at {:+.1} ms: {}: {}",
                evidence.round, evidence.at_ms, evidence.r#where, evidence.what
            )?;
        }
        let shown = promise.evidence.iter().take(SHOWN);
        let told: u64 = shown.map(|evidence| evidence.failures).sum();
        let all = match promise.verdict {
            Judgement::Undecided => promise.undecided,
            _ => promise.failures,
        };
        let more = all.saturating_sub(told);
        if more > 0 {
            writeln!(text, "    and {more} more")?;
        }
        for KnownFact { of, says, source } in &promise.known {
            writeln!(text, "    {}: {says} ({source})", bold(of))?;
        }
    }
    let broken = || report.promises.iter().filter(|it| it.is_broken());
    if let Some(first) = broken().find(|it| it.counts).or_else(|| broken().next()) {
        writeln!(
            text,
            "\nwhy it matters and how to keep it, promise by promise: lameduck check --explain {}",
            first.name
        )?;
    }
    if let Some(why) = &report.cut_short {
        writeln!(text, "\n{} {why}", look.paint("31", "cut short:"))?;
    }
    let color = match report.exit_code {
        0 => "1;32",
        1 => "1;31",
        _ => "1;33",
    };
    writeln!(text, "\n{}", losses(report.losses))?;
    writeln!(text, "{}", look.paint(color, &report.summary))?;
    writeln!(text, "{}", report.ruling)
}

/// What is independent of each other is a shutdown, not a request.
fn losses(shutdowns: Shutdowns) -> String {
    let Shutdowns {
        tried,
        failed,
        bound95,
    } = shutdowns;
    format!(
        "lost something in {failed} of {tried} shutdowns under load: at most {} of them do, at 95 %",
        percent(bound95)
    )
}

/// How far away the clients were.
pub(super) fn distance(rtt: Duration) -> String {
    match rtt.is_zero() {
        true => "loopback".to_owned(),
        false => format!("{} ms round trip", rtt.as_secs_f64() * 1e3),
    }
}

fn promises(report: &CheckReport, look: Look) -> Table {
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
    table.set_header(["", "promise", "shutdowns", "≤ at 95 %", "trials", "why"]);
    for (index, column) in table.column_iter_mut().enumerate() {
        // The last column has the whole rest of the width.
        column.set_padding((0, if index == WHY { 0 } else { GAP }));
        if (2..=4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for class in Class::ALL {
        let mut rows = report.of_class(class).map(|it| row(it, look)).peekable();
        if rows.peek().is_some() {
            table.add_row(heading(class, look));
            table.add_rows(rows);
        }
    }
    table
}

/// What the promises below it have in common.
fn heading(class: Class, look: Look) -> Vec<Cell> {
    let about = match class {
        Class::Loss => "what a client loses",
        Class::Time => "what whoever waits for the end sees",
        Class::Convention => "what is customary; counts with --strict",
    };
    let name = Cell::new(class.name().to_uppercase());
    let name = match look.color {
        true => name.add_attribute(Attribute::Bold),
        false => name,
    };
    let empty = || Cell::new("");
    vec![empty(), name, empty(), empty(), empty(), Cell::new(about)]
}

fn row(promise: &PromiseReport, look: Look) -> Vec<Cell> {
    let (mark, color) = match promise.verdict {
        Judgement::Kept => ("✔", Color::Green),
        Judgement::Broken => ("✘", Color::Red),
        Judgement::Undecided => ("?", Color::Yellow),
        Judgement::Skipped => ("–", Color::DarkGrey),
    };
    let [shutdowns, bound, trials] = match promise.verdict {
        Judgement::Skipped => [String::new(), String::new(), String::new()],
        _ => [
            format!(
                "{} of {}",
                promise.shutdowns.failed, promise.shutdowns.tried
            ),
            percent(promise.shutdowns.bound95),
            format!("{} of {}", promise.failures, promise.trials),
        ],
    };
    let texts = [
        mark.to_owned(),
        promise.name.clone(),
        shutdowns,
        bound,
        trials,
        match promise.accepted {
            true => format!("{} (known: it is in the baseline)", promise.why),
            false => promise.why.clone(),
        },
    ];
    let cells = texts.into_iter().enumerate().map(|(column, text)| {
        let cell = Cell::new(text);
        match (look.color, promise.verdict, column) {
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

fn requests(report: &CheckReport, look: Look) -> String {
    let tally = &report.outcomes;
    let counts = [
        (tally.ok, "ok"),
        (tally.ok_close, "ok, then closed as announced"),
        (tally.refused, "refused"),
        (
            tally.unanswered,
            "without an answer to the connection attempt",
        ),
        (tally.reset_before_response, "reset before a response"),
        (tally.eof_before_response, "closed before a response"),
        (tally.truncated, "cut in the response"),
        (tally.changed, "another answer than before the signal"),
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

fn exits(report: &CheckReport, look: Look) -> String {
    let exits = report.load_rounds().map(|round| {
        let how = match (round.killed, round.released, round.exit) {
            (true, ..) => "killed".to_owned(),
            (_, true, Some(code)) => format!("exit {code}, once its clients had been sent away"),
            (_, false, Some(code)) => format!("exit {code}"),
            (_, _, None) => round.how.clone(),
        };
        (how, round.signal_to_exit_ms / 1e3)
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
