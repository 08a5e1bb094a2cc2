//! Faulty servers, and whether the prover finds exactly the promises that each fault breaks.
//!
//! # What must hold
//! - A promise that the fault breaks is broken, and none that it does not break is. Where something is undecided, on a
//!   machine with too much to do, the case is tried again; but not for ever.
//! - Every promise that the prover knows is broken by a fault.

mod case;
mod deploy;
mod document;
mod fault;
mod faults;
mod judge;
mod results;
#[cfg(test)]
mod tests;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use case::Case;
use results::Results;
use trial::{Distance, Row, place, row};

use crate::clients::line::Line;
use crate::planted::Planted;

/// Options of `matrix`.
#[derive(Args)]
pub struct Options {
    /// Only cases whose name contains one of these, of those that `--list` names. Default: all
    #[arg(long, value_delimiter = ',', value_name = "TEXT")]
    only: Vec<String>,

    /// Only so many cases, which the seed decides. Default: all
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    cases: Option<u32>,

    /// Round trips between clients and server
    #[arg(long, default_value = "0s,40ms", value_delimiter = ',', value_name = "TIME",
          value_parser = humantime::parse_duration)]
    rtt: Vec<Duration>,

    /// Try servers in Rust once more over each round trip, made by the kernel's own packets on a TUN device, and not by
    /// the prover's relay
    #[arg(long)]
    line: bool,

    /// Decides which cases, and the moments of the signals
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Cases at the same time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    jobs: u32,

    /// Write the matrix to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,

    /// Keep what was as it should be in this file, and do not try it again: to go on with a run that was ended
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,

    /// Print the report of the prover for each case
    #[arg(long)]
    reports: bool,

    /// Print the names of the cases
    #[arg(long)]
    list: bool,
}

/// Tries every case, prints, and says whether each was judged as it should.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let chosen = chosen(options)?;
    if options.list {
        for case in &chosen {
            println!("{:28} {}", case.name(), case.fault.does);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let distances = distances(options);
    let mut rows = runtime.block_on(all(&chosen, &distances, options))?;
    rows.sort_by_key(|row| row.case.place);
    if let Some(file) = &options.document {
        std::fs::write(file, document::render(&rows))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let wrong = rows
        .iter()
        .filter(|row| !row.disagreements.is_empty())
        .count();
    println!(
        "{} of {} runs were judged as they should be",
        rows.len() - wrong,
        rows.len()
    );
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(options: &Options) -> anyhow::Result<Vec<Case>> {
    let here: Vec<Planted> = Planted::here();
    let is_named = |case: &Case| {
        let name = case.name();
        options.only.is_empty() || options.only.iter().any(|text| name.contains(text.as_str()))
    };
    let mut chosen: Vec<Case> = Case::all()
        .filter(|case| is_named(case) && here.contains(&case.server))
        .collect();
    if chosen.is_empty() {
        bail!(
            "no case is named like {}; --list has their names",
            options.only.join(" or ")
        );
    }
    if let Some(count) = options.cases {
        chosen.shuffle(&mut StdRng::seed_from_u64(options.seed));
        chosen.truncate(count as usize);
    }
    Ok(chosen)
}

/// How far away each case is tried.
fn distances(options: &Options) -> Vec<Distance> {
    let relayed = options.rtt.iter().copied().map(Distance::Relay);
    let mut distances: Vec<Distance> = relayed.collect();
    let far = options.rtt.iter().filter(|rtt| !rtt.is_zero());
    for rtt in far.filter(|_| options.line) {
        match Line::open(*rtt) {
            Ok(line) => distances.push(Distance::Line(*rtt, Arc::new(line))),
            Err(why) => real_servers::skip(format_args!("{why:#}")),
        }
    }
    distances
}

async fn all(
    chosen: &[Case],
    distances: &[Distance],
    options: &Options,
) -> anyhow::Result<Vec<Row>> {
    let mut results = match &options.resume {
        Some(file) => Some(Results::of(file)?),
        None => None,
    };
    let mut rows = Vec::new();
    let mut waiting = Vec::new();
    let everywhere = |case| distances.iter().map(move |distance| (case, distance));
    let all = chosen.iter().flat_map(everywhere);
    // The way is the same whatever a server is written in.
    for (&case, distance) in
        all.filter(|(case, distance)| case.server == Planted::Rust || !distance.is_line())
    {
        let distance = distance.clone();
        let seen = results
            .as_ref()
            .and_then(|it| it.seen(&place(case, &distance)));
        match seen {
            Some(judged) => rows.push(Row {
                case,
                distance,
                judged,
                disagreements: Vec::new(),
            }),
            None => waiting.push((case, distance)),
        }
    }
    let mut waiting = waiting.into_iter();
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.len() < options.jobs as usize
            && let Some((case, distance)) = waiting.next()
        {
            running.spawn(row(case, distance, options.seed));
        }
        let Some(done) = running.join_next().await else {
            return Ok(rows);
        };
        let Some((row, told)) = done.context("a case panicked")?? else {
            continue;
        };
        row.print();
        if options.reports || !row.disagreements.is_empty() {
            println!("{told}");
        }
        if let Some(results) = results.as_mut().filter(|_| row.disagreements.is_empty()) {
            results.keep(row.place(), &row.judged)?;
        }
        rows.push(row);
    }
}
