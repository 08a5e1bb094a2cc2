//! Servers that people run, unmodified and set up as their documentation has it, put to the prover: what each breaks,
//! and why.
//!
//! # What must hold
//! - What the prover says of a server is what is written down here for it, whatever the seed. One run that leaves
//!   something undecided, or does not come to its end, is tried again.
//! - A promise that is broken has its reason written down, by file and line or by system call; one that has a reason is
//!   broken.
//! - A server that is not installed is told as skipped.

mod document;
mod go;
mod java;
mod node;
mod proxy;
mod python;
mod ruby;
mod rust;
mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use lameduck_check::{Judgement, RunOutcome, Silent, report};

use server::{Place, RealServer};

use crate::kit::Kit;
use crate::shop::Shop;

/// Options of `servers`.
#[derive(Args)]
pub struct Options {
    /// Only servers of these names, of those that `--list` has. Default: all that can run here
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,

    /// Shutdowns under load at each round trip, 0 and 40 ms
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Only shutdowns under load: nothing that takes seconds of waiting
    #[arg(long)]
    only_load: bool,

    /// Decides think times, paths, and the moments of the signals
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Servers at the same time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    jobs: u32,

    /// Write what came of it to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,

    /// Print the report of the prover for each server
    #[arg(long)]
    reports: bool,

    /// Where the servers' packages are kept; default: `servers` in the target folder
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Print the names of the servers, and how each is started
    #[arg(long)]
    list: bool,
}

/// A server is tried so often, where the prover says that it may have been its own doing.
const TRIES: u64 = 3;

/// One family after the other.
fn all() -> impl Iterator<Item = &'static RealServer> {
    let families = [
        node::SERVERS,
        go::SERVERS,
        python::SERVERS,
        ruby::SERVERS,
        java::SERVERS,
        rust::SERVERS,
        proxy::SERVERS,
    ];
    families.into_iter().flatten()
}

/// Tries each server, prints, and says whether each was judged as it is known.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let chosen = chosen(&options.only)?;
    if options.list {
        for server in &chosen {
            println!("{:18} {}", server.name, server.started);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let kit = Kit::open(options.cache.clone(), "servers")?;
    let mut here = Vec::new();
    for server in chosen {
        match (server.prepare)(&kit) {
            Ok(()) => here.push(server),
            Err(why) => real_servers::skip(format_args!("{}: {why:#}", server.name)),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let mut rows = runtime.block_on(all_of(&here, &kit, options));
    rows.sort_by_key(|row| row.place);
    if let Some(file) = &options.document {
        std::fs::write(file, document::render(&rows))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let wrong = rows.iter().filter(|row| !row.disagreements.is_empty());
    let wrong = wrong.count();
    println!(
        "{} of {} servers were judged as they are known",
        rows.len() - wrong,
        rows.len()
    );
    Ok(match wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static RealServer>> {
    if only.is_empty() {
        return Ok(all().collect());
    }
    let named = only.iter().map(|name| {
        all().find(|it| it.name == name).with_context(|| {
            let names: Vec<_> = all().map(|it| it.name).collect();
            format!("no server {name:?}, expected some of {}", names.join(","))
        })
    });
    named.collect()
}

/// What came of one server.
struct Row {
    server: &'static RealServer,
    /// Its place among all servers.
    place: usize,
    judged: BTreeMap<&'static str, Judgement>,
    /// Where the prover should have said something else.
    disagreements: Vec<String>,
}

async fn all_of(servers: &[&'static RealServer], kit: &Kit, options: &Options) -> Vec<Row> {
    use futures_util::StreamExt;

    let runs = servers.iter().map(|server| row(server, kit, options));
    let mut runs = futures_util::stream::iter(runs).buffer_unordered(options.jobs as usize);
    let mut rows = Vec::new();
    while let Some((row, told)) = runs.next().await {
        row.print();
        if options.reports || !row.disagreements.is_empty() {
            println!("{told}");
        }
        rows.push(row);
    }
    rows
}

/// One server, again while something is undecided or cut short.
async fn row(server: &'static RealServer, kit: &Kit, options: &Options) -> (Row, String) {
    let place = all().position(|it| std::ptr::eq(it, server));
    let mut tries = 1;
    loop {
        let run = run_one(server, kit, options, options.seed + tries - 1).await;
        // One that cannot be tried keeps nobody from trying the others.
        let (outcome, told) = run.unwrap_or_else(|error| (None, format!("{error:#}")));
        let judged = outcome.as_ref().map(judged).unwrap_or_default();
        let is_undecided = judged.values().any(|it| *it == Judgement::Undecided);
        let is_cut = outcome.as_ref().is_none_or(|it| it.cut_short.is_some());
        if (is_undecided || is_cut) && tries < TRIES {
            tries += 1;
            continue;
        }
        let disagreements = match &outcome {
            Some(outcome) => disagreements(server, outcome, options),
            None => vec![format!("no verdict: {told}")],
        };
        let row = Row {
            server,
            place: place.unwrap_or_default(),
            judged,
            disagreements,
        };
        return (row, told);
    }
}

/// Puts a server to the prover, as by `lameduck check`; nothing but words where the run ended before any signal.
async fn run_one(
    server: &RealServer,
    kit: &Kit,
    options: &Options,
    seed: u64,
) -> anyhow::Result<(Option<RunOutcome>, String)> {
    let folder = tempfile::tempdir().context("cannot make a folder for a server")?;
    open_to_all(folder.path())?;
    // What is behind a proxy outlives each of its shutdowns.
    let books = tempfile::tempdir().context("cannot make a folder for the books")?;
    let behind = match server.is_proxy {
        true => Some(Shop::start(
            books.path(),
            std::time::Duration::from_secs(5),
        )?),
        false => None,
    };
    let place = Place::free(
        folder.path().to_owned(),
        behind.as_ref().map(|it| it.address),
    )?;
    let mut plan = server.plan(kit, &place)?;
    plan.rounds = options.rounds;
    plan.seed = seed;
    if options.only_load {
        plan.startup_rounds = 0;
        plan.clients.idle = 0;
        plan.rules
            .except
            .extend(server::WAITED_FOR.map(str::to_owned));
    }
    Ok(match lameduck_check::run(&plan, &Silent).await {
        Ok(outcome) => {
            let told = report::CheckReport::of(&outcome);
            let told = report::table(&told, report::Look::PLAIN);
            (Some(outcome), told)
        }
        Err(error) => (None, error.to_string()),
    })
}

/// Workers of some servers are other users than whoever starts them.
fn open_to_all(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).context("cannot open a server's folder to its workers")
}

fn judged(outcome: &RunOutcome) -> BTreeMap<&'static str, Judgement> {
    let verdicts = outcome.verdicts.iter();
    verdicts
        .map(|verdict| (verdict.name, verdict.judgement))
        .collect()
}

fn disagreements(server: &RealServer, outcome: &RunOutcome, options: &Options) -> Vec<String> {
    let mut disagreements = Vec::new();
    if let Some(why) = &outcome.cut_short {
        disagreements.push(format!("the run ended early: {why}"));
    }
    for verdict in &outcome.verdicts {
        let reason = server.breaks.iter().find(|it| it.breaks(verdict.name));
        let is_tried = !(options.only_load && server::WAITED_FOR.contains(&verdict.name));
        let first = verdict.evidence.first();
        let first = first.map(|it| format!("{}: {}", it.r#where, it.what));
        let first = first.unwrap_or_default();
        match (verdict.judgement, reason) {
            (Judgement::Broken, None) => disagreements.push(format!(
                "{} is broken, and no reason is known: {first}",
                verdict.name
            )),
            (Judgement::Kept | Judgement::Skipped, Some(reason)) if reason.is_sure && is_tried => {
                disagreements.push(format!(
                    "{} should be broken and is not: {}",
                    verdict.name, verdict.why
                ));
            }
            _ => {}
        }
    }
    disagreements
}

impl Row {
    fn print(&self) {
        let broken = self
            .judged
            .iter()
            .filter(|(_, it)| **it == Judgement::Broken);
        let broken: Vec<&str> = broken.map(|(name, _)| *name).collect();
        let verdict = match self.disagreements.is_empty() {
            true => "as it is known",
            false => "NOT as it is known",
        };
        let broken = match broken.is_empty() {
            true => "nothing broken".to_owned(),
            false => broken.join(", "),
        };
        println!("{:18} {verdict}: {broken}", self.server.name);
        for it in &self.disagreements {
            println!("    {it}");
        }
    }
}

/// A path as a word of a command.
fn word(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

/// The words of a command.
fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

/// Where a program is that the system has.
fn installed(program: &str) -> anyhow::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    if folders.any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    bail!("{program} is not installed")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lameduck_check::Rules;

    use super::*;

    #[test]
    fn no_two_servers_have_one_name() {
        let names: Vec<_> = all().map(|it| it.name).collect();
        let unlike: BTreeSet<_> = names.iter().collect();
        assert_eq!(unlike.len(), names.len());
    }

    #[test]
    fn each_reason_is_of_promises_that_the_prover_knows_and_of_each_once() {
        for server in all() {
            let reasons = server.breaks.iter();
            let mut broken: Vec<_> = reasons.flat_map(|it| it.promises).copied().collect();
            let unknown = broken.iter().find(|name| !Rules::known().contains(name));
            assert_eq!(unknown, None, "{}", server.name);
            let many = broken.len();
            broken.sort_unstable();
            broken.dedup();
            assert_eq!(broken.len(), many, "{}", server.name);
        }
    }
}
