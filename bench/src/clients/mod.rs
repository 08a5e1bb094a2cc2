//! Real client libraries at the shutdown of the shop: whether any of them loses a request.
//!
//! The prover's clients are strict and fair; these are what people use, with the pools that they have. Each runs
//! in a process of its own (`bench/clients/`), 20 workers that share one pool. What they lose is not asked of
//! them, because many repeat a request quietly: it is seen on the line ([`mod@line`]), on which every packet of
//! theirs goes, and which can be as long as 40 ms.

mod flows;
mod go;
mod http1;
mod http2;
mod java;
pub mod line;
mod node;
mod packet;
mod python;
mod round;
mod ruby;
mod rust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use line::Line;
use round::Round;

use crate::kit::Kit;

/// Options of `clients`.
#[derive(Args)]
pub struct Options {
    /// Shutdowns of each client at each round trip
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Round trips between clients and server
    #[arg(long, default_value = "0s,40ms", value_delimiter = ',', value_name = "TIME",
          value_parser = humantime::parse_duration)]
    rtt: Vec<Duration>,

    /// Which clients, of those that `--list` names; default: all that can run here
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    clients: Vec<String>,

    /// Who serves: the shop, or for contrast `axum::serve` as its documentation has it
    #[arg(long, value_enum, default_value_t = Against::Shop)]
    against: Against,

    /// Decides what is asked, the pauses and the moments of the signals
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Shutdowns at the same time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    jobs: u32,

    /// Where the clients' packages are kept; default: `clients` in the target folder
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Print the names of the clients, and what each does by itself
    #[arg(long)]
    list: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Against {
    /// The shop
    Shop,
    /// `axum::serve` with `with_graceful_shutdown`
    Axum,
}

/// What a client's connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    Grpc,
}

/// One client library, used in one way.
struct Client {
    name: &'static str,
    protocol: Protocol,
    /// What it does, unasked, when a connection ends under a request.
    by_itself: &'static str,
    /// What it does wrong whatever the server does: then what it raises, and what it leaves half done, is told
    /// but not counted. What is lost on the line is.
    own_fault: Option<&'static str>,
    /// Has everything ready that it needs.
    prepare: fn(&Kit) -> anyhow::Result<()>,
    /// What starts it; the URL, the number of workers, the seed, and the last argument are added.
    command: fn(&Kit) -> Command,
    /// A last argument.
    variant: Option<&'static str>,
}

/// One family after the other.
fn all() -> impl Iterator<Item = &'static Client> {
    let families = [
        python::CLIENTS,
        node::CLIENTS,
        java::CLIENTS,
        ruby::CLIENTS,
        go::CLIENTS,
        rust::CLIENTS,
    ];
    families.into_iter().flatten()
}

/// A file of ours in `bench/clients`.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(path)
}

/// Runs the campaign, prints what came of it, and says whether anything was lost.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.list {
        for client in all() {
            println!("{:16} {}", client.name, client.by_itself);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let kit = Kit::open(options.cache.clone(), "clients")?;
    let mut rows = Vec::new();
    for client in chosen(options)? {
        let row = match (client.prepare)(&kit) {
            Ok(()) => campaign(client, &kit, options)?,
            // Asked for by name, it must be there.
            Err(why) if !options.clients.is_empty() => {
                return Err(why.context(format!("cannot run {}", client.name)));
            }
            Err(why) => Row {
                skipped: Some(format!("{why:#}")),
                ..Row::of(client)
            },
        };
        if !options.json {
            row.print(rows.is_empty(), &options.rtt);
        }
        rows.push(row);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    }
    Ok(if rows.iter().all(Row::nothing_lost) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(options: &Options) -> anyhow::Result<Vec<&'static Client>> {
    let serves = |it: &&Client| options.against == Against::Shop || it.protocol != Protocol::Grpc;
    if options.clients.is_empty() {
        return Ok(all().filter(serves).collect());
    }
    let named = options.clients.iter().map(|name| {
        all().find(|it| it.name == name).with_context(|| {
            let names: Vec<_> = all().map(|it| it.name).collect();
            format!("no client {name:?}, expected some of {}", names.join(","))
        })
    });
    let named = named.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(it) = named.iter().find(|it| !serves(it)) {
        bail!("{} asks for gRPC, which only the shop serves", it.name);
    }
    Ok(named)
}

fn campaign(client: &'static Client, kit: &Kit, options: &Options) -> anyhow::Result<Row> {
    let mut row = Row::of(client);
    for rtt in &options.rtt {
        let rounds = rounds(client, kit, options, *rtt)?;
        let mut sum = Sum::default();
        for round in &rounds {
            sum.add(round);
        }
        row.by_rtt
            .insert(humantime::format_duration(*rtt).to_string(), sum);
    }
    Ok(row)
}

/// All rounds of one client at one round trip, some at the same time.
fn rounds(
    client: &Client,
    kit: &Kit,
    options: &Options,
    rtt: Duration,
) -> anyhow::Result<Vec<Round>> {
    let next = Mutex::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..options.jobs.min(options.rounds))
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    let line = Arc::new(Line::open(rtt)?);
                    loop {
                        let number = {
                            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                            *next += 1;
                            *next
                        };
                        if number > options.rounds {
                            return Ok(());
                        }
                        // A seed of its own for each, none of which is another campaign's.
                        let seed = (options.seed << 16) | u64::from(number);
                        let round = round::run(client, kit, options.against, &line, seed)
                            .with_context(|| format!("{}, shutdown {number}", client.name))?;
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push(round);
                    }
                })
            })
            .collect();
        for job in jobs {
            match job.join() {
                Ok(result) => result?,
                Err(_) => bail!("a job panicked"),
            }
        }
        anyhow::Ok(())
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What came of one client.
#[derive(Serialize)]
struct Row {
    client: &'static str,
    by_itself: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    own_fault: Option<&'static str>,
    /// Why it could not run here.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    by_rtt: BTreeMap<String, Sum>,
}

/// What came of all shutdowns at one round trip.
#[derive(Default, Serialize)]
struct Sum {
    shutdowns: u32,
    /// Requests wholly sent.
    requests: u64,
    /// Of these, on a connection that had carried one before, and without a whole answer.
    lost: u64,
    /// The same on a new connection.
    lost_on_new: u64,
    /// Connections refused, which is honest.
    refused: u64,
    /// What the library raised, beside refused connections, or was answered with a status that is no success.
    failed: u64,
    /// Orders that are in the books more than once.
    ordered_twice: u64,
    /// Orders that were answered and are not in the books.
    missing: u64,
    /// Exit codes other than 0.
    bad_exits: u64,
    /// From the signal to the end of the process, the longest, in ms.
    longest_ms: f64,
    /// What was lost, and when.
    evidence: Vec<String>,
}

impl Sum {
    fn add(&mut self, it: &Round) {
        self.shutdowns += 1;
        self.requests += it.requests;
        self.lost += it.lost.iter().filter(|it| it.reused).count() as u64;
        self.lost_on_new += it.lost.iter().filter(|it| !it.reused).count() as u64;
        self.refused += it.told.refused;
        self.failed += it.told.failed.len() as u64;
        self.ordered_twice += it.ordered_twice;
        self.missing += it.missing;
        self.bad_exits += u64::from(it.exit != Some(0));
        self.longest_ms = self.longest_ms.max(it.signal_to_exit.as_secs_f64() * 1e3);
        let seed = it.seed;
        let lost = it.lost.iter().map(|it| it.what.clone());
        let failed = it.told.failed.iter().cloned();
        let let_go = it.let_go.iter().cloned();
        let all = lost
            .chain(failed)
            .chain(let_go)
            .map(|what| format!("seed {seed}: {what}"));
        self.evidence.extend(all);
    }

    fn nothing_lost(&self) -> bool {
        [
            self.lost,
            self.lost_on_new,
            self.ordered_twice,
            self.missing,
        ] == [0; 4]
    }

    fn nothing_raised(&self) -> bool {
        [self.failed, self.bad_exits] == [0; 2]
    }
}

impl Row {
    fn of(client: &Client) -> Row {
        Row {
            client: client.name,
            by_itself: client.by_itself,
            own_fault: client.own_fault,
            skipped: None,
            by_rtt: BTreeMap::new(),
        }
    }

    fn nothing_lost(&self) -> bool {
        let raised_well = |sum: &Sum| self.own_fault.is_some() || sum.nothing_raised();
        self.by_rtt
            .values()
            .all(|sum| sum.nothing_lost() && raised_well(sum))
    }

    fn print(&self, first: bool, rtts: &[Duration]) {
        let name = |rtt: &Duration| humantime::format_duration(*rtt).to_string();
        if first {
            let heads = rtts
                .iter()
                .map(|it| format!("{:>24}", format!("lost of requests, {}", name(it))));
            println!("{:16}{}", "client", heads.collect::<String>());
        }
        if let Some(why) = &self.skipped {
            println!("{:16} SKIPPED: {why}", self.client);
            return;
        }
        let sums: Vec<_> = rtts
            .iter()
            .filter_map(|it| self.by_rtt.get(&name(it)))
            .collect();
        let cells = sums
            .iter()
            .map(|it| format!("{:>24}", format!("{} of {}", it.lost, it.requests)));
        println!("{:16}{}", self.client, cells.collect::<String>());
        for sum in sums {
            let others = [
                (sum.lost_on_new, "lost on a new connection"),
                (sum.failed, "errors raised by the library"),
                (sum.ordered_twice, "orders taken twice"),
                (sum.missing, "answered orders missing"),
                (sum.bad_exits, "exits other than 0"),
            ];
            for (count, what) in others.iter().filter(|it| it.0 > 0) {
                println!("    {count} {what}");
            }
            if let Some(fault) = self.own_fault
                && !sum.nothing_raised()
            {
                println!("    not counted: {fault}");
            }
            for it in sum.evidence.iter().take(6) {
                println!("    {it}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_lost_is_told() {
        assert!(Sum::default().nothing_lost());
        let changes: [fn(&mut Sum); 6] = [
            |it| it.lost = 1,
            |it| it.lost_on_new = 1,
            |it| it.failed = 1,
            |it| it.ordered_twice = 1,
            |it| it.missing = 1,
            |it| it.bad_exits = 1,
        ];
        for change in changes {
            let mut sum = Sum::default();
            change(&mut sum);
            assert!(!(sum.nothing_lost() && sum.nothing_raised()));
        }
    }

    #[test]
    fn no_two_clients_have_one_name() {
        let mut names: Vec<_> = all().map(|it| it.name).collect();
        let many = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), many);
    }
}
