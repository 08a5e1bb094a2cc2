//! The outcome as a table, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
    presets,
};

use super::Look;
use crate::rules::Ruling;
use crate::run::Outcome;
use crate::trace::RunTrace;
use crate::verdict::{Class, Judgement, Shutdowns, Verdict};

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
    let rtts: Vec<String> = outcome.trace.rtts().into_iter().map(distance).collect();
    let rtt = rtts.join(" and ");
    let rounds = match outcome.rounds {
        1 => "1 round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    writeln!(text, "{}", bold(&outcome.target))?;
    writeln!(
        text,
        "{rounds} under load, {rtt}, {}, seed {}\n",
        outcome.terms.signal, outcome.seed
    )?;
    writeln!(text, "{}\n", promises(outcome, look).trim_fmt())?;
    writeln!(text, "{}", requests(outcome, look))?;
    writeln!(text, "{}", exits(outcome, look))?;
    for remark in remarks(&outcome.trace) {
        writeln!(text, "{}", look.paint("33", &remark))?;
    }
    for verdict in outcome
        .verdicts
        .iter()
        .filter(|verdict| !verdict.evidence.is_empty() && verdict.judgement != Judgement::Skipped)
    {
        let mark = match verdict.judgement {
            Judgement::Undecided => look.paint("33", "?"),
            _ => look.paint("31", "✘"),
        };
        writeln!(text, "\n{mark} {}", bold(verdict.name))?;
        for evidence in verdict.evidence.iter().take(SHOWN) {
            writeln!(
                text,
                "    round {} at {:+.1} ms: {}: {}",
                evidence.round, evidence.at_ms, evidence.r#where, evidence.what
            )?;
        }
        let shown = verdict.evidence.iter().take(SHOWN);
        let told: u64 = shown.map(|evidence| evidence.failures).sum();
        let all = match verdict.judgement {
            Judgement::Undecided => verdict.undecided,
            _ => verdict.failures,
        };
        let more = all.saturating_sub(told);
        if more > 0 {
            writeln!(text, "    and {more} more")?;
        }
    }
    if let Some(why) = &outcome.cut_short {
        writeln!(text, "\n{} {why}", look.paint("31", "cut short:"))?;
    }
    let (summary, ruling) = summary(outcome);
    let color = match outcome.ruling() {
        Ruling::Kept => "1;32",
        Ruling::Broken(_) => "1;31",
        Ruling::CutShort | Ruling::Untested(_) => "1;33",
    };
    writeln!(text, "\n{}", losses(outcome))?;
    writeln!(text, "{}", look.paint(color, &summary))?;
    writeln!(text, "{ruling}")
}

/// What makes these figures worth less than they seem.
pub(super) fn remarks(trace: &RunTrace) -> Vec<String> {
    let mut remarks = Vec::new();
    for round in trace.load_rounds() {
        let saturated = round.saturated.iter();
        remarks.extend(saturated.map(|what| format!("round {}: {what}", round.number)));
        for (what, count) in &round.shortages {
            let number = round.number;
            remarks.push(format!(
                "round {number}: the prover had {what}, {count} times"
            ));
        }
    }
    remarks
}

/// What is independent of each other is a shutdown, not a request.
fn losses(outcome: &Outcome) -> String {
    let Shutdowns {
        tried,
        failed,
        bound95,
    } = outcome.losses();
    format!(
        "lost something in {failed} of {tried} shutdowns under load: at most {} of them do, at 95 %",
        percent(bound95)
    )
}

/// How many promises were judged how, and what that comes to.
fn summary(outcome: &Outcome) -> (String, String) {
    let count = |judgement| {
        let verdicts = outcome.verdicts.iter();
        verdicts.filter(|it| it.judgement == judgement).count()
    };
    let broken: Vec<String> = Class::ALL
        .into_iter()
        .filter_map(|class| {
            let verdicts = outcome.verdicts.iter().filter(|it| it.class == class);
            match verdicts.filter(|it| it.is_broken()).count() {
                0 => None,
                count => Some(format!("{} {count}", class.name())),
            }
        })
        .collect();
    let by_class = match broken.is_empty() {
        true => String::new(),
        false => format!(" ({})", broken.join(", ")),
    };
    let undecided = match count(Judgement::Undecided) {
        0 => String::new(),
        count => format!(", {count} undecided"),
    };
    let summary = format!(
        "{} kept, {} broken{by_class}{undecided}, {} not tested",
        count(Judgement::Kept),
        count(Judgement::Broken),
        count(Judgement::Skipped),
    );
    let named = |is: fn(&Verdict) -> bool| {
        let counted = outcome
            .verdicts
            .iter()
            .filter(|it| outcome.rules.counts(it) && is(it));
        let names: Vec<&str> = counted.map(|verdict| verdict.name).collect();
        names.join(", ")
    };
    let ruling = outcome.ruling();
    let because = match ruling {
        Ruling::Kept if count(Judgement::Broken) > 0 => {
            "what is broken is a convention (--strict counts them) or known".to_owned()
        }
        Ruling::Kept => "nothing that counts was broken".to_owned(),
        Ruling::CutShort => "the run did not come to its end".to_owned(),
        Ruling::Broken(_) => named(Verdict::is_broken),
        Ruling::Untested(_) => format!(
            "nothing broken, but asked for and not tried, or undecided: {}",
            named(Verdict::is_open)
        ),
    };
    (summary, format!("exit {}: {because}", ruling.exit_code()))
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
    table.set_header(["", "promise", "shutdowns", "≤ at 95 %", "trials", "why"]);
    for (index, column) in table.column_iter_mut().enumerate() {
        // The last column has the whole rest of the width.
        column.set_padding((0, if index == WHY { 0 } else { GAP }));
        if (2..=4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for class in Class::ALL {
        let of_class = outcome.verdicts.iter().filter(|it| it.class == class);
        let mut rows = of_class.map(|verdict| row(verdict, look)).peekable();
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

fn row(verdict: &Verdict, look: Look) -> Vec<Cell> {
    let (mark, color) = match verdict.judgement {
        Judgement::Kept => ("✔", Color::Green),
        Judgement::Broken => ("✘", Color::Red),
        Judgement::Undecided => ("?", Color::Yellow),
        Judgement::Skipped => ("–", Color::DarkGrey),
    };
    let [shutdowns, bound, trials] = match verdict.judgement {
        Judgement::Skipped => [String::new(), String::new(), String::new()],
        _ => [
            format!(
                "{} of {}",
                verdict.shutdowns.failed, verdict.shutdowns.tried
            ),
            percent(verdict.shutdowns.bound95),
            format!("{} of {}", verdict.failures, verdict.trials),
        ],
    };
    let texts = [
        mark.to_owned(),
        verdict.name.to_owned(),
        shutdowns,
        bound,
        trials,
        match verdict.accepted {
            true => format!("{} (known: it is in the baseline)", verdict.why),
            false => verdict.why.clone(),
        },
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

fn exits(outcome: &Outcome, look: Look) -> String {
    let exits = outcome.trace.load_rounds().map(|round| {
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
