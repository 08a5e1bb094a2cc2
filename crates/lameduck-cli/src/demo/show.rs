//! What the demonstration prints.

use std::path::Path;

use lameduck_check::ledger::RoundKind;
use lameduck_check::{Plan, RunOutcome, report};

use super::reports::Reports;
use crate::screen;

/// What the shop's report begins with, on a line of its own; its details follow, indented.
const REPORT: &str = "lameduck: ";

/// There in a checkout of the repository only.
const PEERS: &str = "bench/peers/Cargo.toml";

/// What is going to happen.
pub(super) fn opening(plan: &Plan) {
    println!(
        "Starts a small shop (axum and SQLite), loads it, stops it with SIGTERM, again\n\
         and again: near by, and {} ms away. Each request is followed to its end. 15 s.\n",
        plan.more_rtts
            .first()
            .map_or(0, std::time::Duration::as_millis)
    );
}

/// The timeline, the promises, the shop's own words, and what to do next.
pub(super) fn outcome(outcome: &RunOutcome, reports: &Reports, address: &str) {
    let look = screen::look();
    if let Some(round) = outcome.trace.load_rounds().next() {
        let phases = reports.phases(round.number);
        println!("{}", report::timeline(&outcome.terms, round, &phases, look));
    }
    println!("{}", report::table(&report::CheckReport::of(outcome), look));
    for (kind, when) in [
        (RoundKind::Load, "What the shop said of that shutdown"),
        (
            RoundKind::Stuck,
            "And of one with an upload that stalled for ever, let go by its name",
        ),
    ] {
        let said = outcome.trace.of(kind).next();
        let words = said.map_or_else(String::new, |round| shop_report(&round.said_after_signal));
        if !words.is_empty() {
            println!("{when}:\n{words}");
        }
    }
    print!("{}", next(address, Path::new(PEERS).is_file()));
}

/// What to do now.
fn next(address: &str, in_repository: bool) -> String {
    let itself = std::env::args().next();
    let itself = itself.as_deref().unwrap_or("lameduck");
    let mut text = format!(
        "What next\n  \
           Your own server, in whatever language it is written:\n    \
             {itself} check --rtt 40ms \\\n      \
             --url http://127.0.0.1:8080 --get /health -- ./server --port 8080\n"
    );
    if in_repository {
        text.push_str(&format!(
            "  The same load on axum's own graceful shutdown, which loses requests:\n    \
               cargo build -p lameduck-peers --bin peer-axum\n    \
               {itself} check --rtt 40ms --grace 5s \\\n      \
                 --url http://{address} --get '/work?ms=20' \\\n      \
                 -- target/debug/peer-axum --listen {address}\n"
        ));
    }
    text
}

/// The lines of the report among everything that the shop wrote.
fn shop_report(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !line.starts_with(REPORT));
    let first = lines.next().into_iter();
    let details = lines.take_while(|line| line.starts_with("  "));
    first
        .chain(details)
        .map(|line| format!("  {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_found_among_other_lines() {
        let said = "INFO lameduck: received\nlameduck: stopped after SIGTERM\n  phases: closing 1 ms\nbye\n  x";
        assert_eq!(
            shop_report(said),
            "  lameduck: stopped after SIGTERM\n    phases: closing 1 ms\n"
        );
        assert_eq!(shop_report("nothing of it"), "");
    }
}
