//! Faulty servers, and whether the prover finds exactly the promises that each fault breaks.
//!
//! # What must hold
//! - A promise that the fault breaks is broken, and none that it does not break is. Where something is undecided, on a
//!   machine with too much to do, the case is tried again; but not for ever.
//! - Every promise that the prover knows is broken by a fault.

mod deploy;
mod document;
mod fault;
mod faults;
mod judge;
mod results;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use lameduck_check::{Judgement, Plan, RunOutcome, Silent, report};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use fault::{Fault, Situation};
use faults::FAULTS;
use results::Results;

use crate::clients::line::Line;
use crate::planted::{Planted, Way};

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

    /// Have the round trip made by the kernel's own packets, on a TUN device, and not by the prover's relay
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

/// A case is tried so often, where the prover says that it may have been its own doing.
const TRIES: u64 = 5;

/// A server with a fault.
#[derive(Clone, Copy)]
struct Case {
    fault: &'static Fault,
    server: Planted,
    /// Its place among all cases.
    place: usize,
}

impl Case {
    fn all() -> impl Iterator<Item = Case> {
        let of_fault = |fault: &'static Fault| {
            let servers = fault.servers.iter();
            servers.map(move |&server| (fault, server))
        };
        let cases = FAULTS.iter().flat_map(of_fault).enumerate();
        cases.map(|(place, (fault, server))| Case {
            fault,
            server,
            place,
        })
    }

    /// Its name in tables and filters: `rust/resets`.
    fn name(self) -> String {
        format!("{}/{}", self.server.name().to_lowercase(), self.fault.name)
    }
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
    let mut lines = BTreeMap::new();
    if options.line {
        for rtt in options.rtt.iter().filter(|rtt| !rtt.is_zero()) {
            match Line::open(*rtt) {
                Ok(line) => _ = lines.insert(*rtt, Arc::new(line)),
                Err(why) => {
                    real_servers::skip(format_args!("{why:#}"));
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
    let mut rows = runtime.block_on(all(&chosen, &lines, options))?;
    rows.sort_by_key(|row| (row.case.place, row.rtt));
    if let Some(file) = &options.document {
        std::fs::write(file, document::render(&rows, options.line))
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

/// What came of one case at one round trip.
struct Row {
    case: Case,
    rtt: Duration,
    /// What the prover says of each promise; nothing where the run ended before.
    judged: BTreeMap<&'static str, Judgement>,
    /// Where it should have said something else.
    disagreements: Vec<String>,
}

async fn all(
    chosen: &[Case],
    lines: &BTreeMap<Duration, Arc<Line>>,
    options: &Options,
) -> anyhow::Result<Vec<Row>> {
    let mut results = match &options.resume {
        Some(file) => Some(Results::of(file)?),
        None => None,
    };
    let mut rows = Vec::new();
    let mut waiting = Vec::new();
    for (&case, &rtt) in chosen
        .iter()
        .flat_map(|case| options.rtt.iter().map(move |rtt| (case, rtt)))
    {
        let seen = results.as_ref().and_then(|it| it.seen(&place(case, rtt)));
        match seen {
            Some(judged) => rows.push(Row {
                case,
                rtt,
                judged,
                disagreements: Vec::new(),
            }),
            None => waiting.push((case, rtt)),
        }
    }
    let mut waiting = waiting.into_iter();
    let mut running = tokio::task::JoinSet::new();
    loop {
        while running.len() < options.jobs as usize
            && let Some((case, rtt)) = waiting.next()
        {
            running.spawn(row(case, rtt, options.seed, lines.get(&rtt).cloned()));
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
            results.keep(place(row.case, row.rtt), &row.judged)?;
        }
        rows.push(row);
    }
}

/// A case at a round trip.
fn place(case: Case, rtt: Duration) -> String {
    format!("{} {}", case.name(), humantime::format_duration(rtt))
}

/// One case, again while it is undecided. `None` if something is not installed that it needs.
async fn row(
    case: Case,
    rtt: Duration,
    seed: u64,
    line: Option<Arc<Line>>,
) -> anyhow::Result<Option<(Row, String)>> {
    let mut tries = 1;
    loop {
        let folder = folder().context("cannot make a folder for the books")?;
        let way = line.as_ref().map_or(Way::LOOPBACK, |line| Way {
            listens: line.near(),
            reached: line.far(),
        });
        let fault = case.fault;
        let mut plan = case
            .server
            .plan(fault.acts_as, fault.grace, way, folder.path())?;
        plan.rtt = rtt;
        plan.relay = line.is_none();
        plan.seed = seed + tries - 1;
        (fault.asks)(&mut plan);
        let Some(beside) = beside(fault.situation, &mut plan, folder.path()).await? else {
            return Ok(None);
        };
        let ended = lameduck_check::run(&plan, &Silent).await;
        drop(beside);
        let (judged, disagreements, told) = match ended {
            Ok(outcome) if tries < TRIES && !judge::is_certain(&outcome) => {
                tries += 1;
                continue;
            }
            Ok(outcome) => {
                let told = report::table(&report::CheckReport::of(&outcome), report::Look::PLAIN);
                (
                    judged(&outcome),
                    judge::disagreements(fault, rtt, &outcome),
                    told,
                )
            }
            Err(error) => {
                let said = error.to_string();
                let disagrees = match fault.unhealthy.iter().any(|it| said.contains(it)) {
                    true => vec![],
                    false => vec![format!("ended before the signal: {said}")],
                };
                (BTreeMap::new(), disagrees, said)
            }
        };
        let row = Row {
            case,
            rtt,
            judged,
            disagreements,
        };
        return Ok(Some((row, told)));
    }
}

/// For what a server writes: in memory, if that can be had, for a busy disk would keep it waiting.
fn folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// What has to run beside the prover, for as long as this is kept.
#[expect(dead_code, reason = "kept for as long as it is needed")]
enum Beside {
    Nothing,
    Postgres(real_servers::Postgres),
    Deployed(deploy::Deployed),
}

async fn beside(
    situation: Situation,
    plan: &mut Plan,
    folder: &Path,
) -> anyhow::Result<Option<Beside>> {
    Ok(Some(match situation {
        Situation::Shutdown => Beside::Nothing,
        Situation::Database => {
            let started = tokio::task::spawn_blocking(real_servers::Postgres::start).await;
            let Some(postgres) = real_servers::or_skip(started.context("PostgreSQL")?) else {
                return Ok(None);
            };
            plan.command
                .extend(["--database".to_owned(), postgres.url()]);
            plan.postgres = Some(postgres.url());
            Beside::Postgres(postgres)
        }
        Situation::Deployed(deploy) => Beside::Deployed(deploy.set_up(plan, folder)?),
    }))
}

fn judged(outcome: &RunOutcome) -> BTreeMap<&'static str, Judgement> {
    let verdicts = outcome.verdicts.iter();
    verdicts
        .map(|verdict| (verdict.name, verdict.judgement))
        .collect()
}

impl Row {
    fn broken(&self) -> Vec<&'static str> {
        let broken = self
            .judged
            .iter()
            .filter(|(_, it)| **it == Judgement::Broken);
        broken.map(|(name, _)| *name).collect()
    }

    fn print(&self) {
        let verdict = match self.disagreements.is_empty() {
            true => "as it should be",
            false => "NOT as it should be",
        };
        let rtt = humantime::format_duration(self.rtt);
        let broken = match (self.case.fault.unhealthy, self.broken()) {
            ([_, ..], _) => "ended before the signal".to_owned(),
            (_, broken) if broken.is_empty() => "nothing broken".to_owned(),
            (_, broken) => broken.join(", "),
        };
        println!("{:28} {rtt:>5}  {verdict}: {broken}", self.case.name());
        for it in &self.disagreements {
            println!("    {it}");
        }
    }
}
