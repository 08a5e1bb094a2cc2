//! A thousand peers at once that do not play along, of one kind after the other: whether the process still
//! ends on time, and whether anybody else is harmed.

mod peer;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::certificate::Certificate;
use crate::client::Connection;
use crate::process::{Process, allow_open_files};
use crate::serve::Server;
use peer::{Kept, Peer};

/// Options of `hostile`.
#[derive(Args)]
pub struct Options {
    /// How many at once
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=9000))]
    peers: u32,

    /// Which kinds. Default: all
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Peer>,

    /// The server's grace
    #[arg(long, default_value = "6s", value_parser = humantime::parse_duration)]
    grace: Duration,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Clients that play along, beside them: each connects, asks, reads and closes, again and again.
const OTHERS: u32 = 10;

/// How long they are at it before the signal.
const BEFORE: Duration = Duration::from_millis(300);

/// How long after its grace a process may be gone on a busy machine.
const ON_TIME: Duration = Duration::from_millis(700);

/// How much longer than it has to a peer waits for what it is owed.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many peers connect at the same time.
const AT_A_TIME: usize = 100;

/// What came of one kind.
#[derive(Debug, Serialize)]
struct Outcome {
    kind: String,
    peers: u32,
    others_served: u64,
    others_lost: Vec<String>,
    signal_to_exit_ms: f64,
    grace_ms: f64,
    exit: Option<i32>,
    /// Let go by the report, which names the first hundred and counts all.
    let_go: u64,
    /// Whether they have to be.
    to_be_named: bool,
    /// What happened to peers that did not get what they are owed.
    owed: Vec<String>,
}

/// Tries every kind, prints, and says whether all went as it should.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    allow_open_files(u64::from(options.peers) + 200)?;
    let certificate = Arc::new(Certificate::make()?);
    let kinds = match options.kinds.is_empty() {
        true => Peer::value_variants(),
        false => &options.kinds,
    };
    let mut outcomes = Vec::new();
    for kind in kinds {
        let outcome = try_out(*kind, options, &certificate)?;
        if !options.json {
            outcome.print();
        }
        outcomes.push(outcome);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&outcomes)?);
    }
    Ok(match outcomes.iter().all(Outcome::is_good) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

impl Outcome {
    fn is_good(&self) -> bool {
        let ends_well = match self.exit {
            Some(0) => self.let_go == 0,
            Some(124) => self.let_go > 0,
            _ => false,
        };
        ends_well
            && (!self.to_be_named || self.let_go == u64::from(self.peers))
            && self.owed.is_empty()
            && self.others_lost.is_empty()
            && self.others_served > 0
            && self.signal_to_exit_ms <= self.grace_ms + ON_TIME.as_secs_f64() * 1e3
    }

    fn print(&self) {
        println!(
            "{:23} {} peers: exit {} after {:4.2} s of {:.0} s, {:4} let go; others: {} served, {} lost{}",
            self.kind,
            self.peers,
            self.exit
                .map_or_else(|| "?".to_owned(), |it| it.to_string()),
            self.signal_to_exit_ms / 1e3,
            self.grace_ms / 1e3,
            self.let_go,
            self.others_served,
            self.others_lost.len(),
            if self.is_good() {
                ""
            } else {
                "  NOT as it should be"
            },
        );
        for lost in self.others_lost.iter().take(3) {
            println!("    lost: {lost}");
        }
        if let Some(first) = self.owed.first() {
            println!(
                "    {} did not get what they are owed: {first}",
                self.owed.len()
            );
        }
    }
}

fn try_out(
    kind: Peer,
    options: &Options,
    certificate: &Arc<Certificate>,
) -> anyhow::Result<Outcome> {
    // Two threads: the one that stops the process must not wait for the clients.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let folder = tempfile::tempdir().context("cannot make a folder for the report")?;
    let report = folder.path().join("report.json");
    let grace = format!("{}ms", options.grace.as_millis());
    let first_byte = kind
        .first_byte()
        .map(|it| humantime::format_duration(it).to_string());
    let arguments = match &first_byte {
        Some(it) => vec!["--first-byte", it],
        None => Vec::new(),
    };
    let process = Process::start_with(
        Server::Lameduck,
        kind.over_tls().then_some(&**certificate),
        &[
            ("LAMEDUCK_GRACE", &grace),
            ("LAMEDUCK_REPORT", &report.to_string_lossy()),
            ("LAMEDUCK_LAME_DUCK", kind.lame_duck()),
        ],
        &arguments,
    )?;
    let address = process.address;
    let mut kept = runtime.block_on(open_all(kind, options.peers, address, certificate))?;
    let over = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for number in 0..OTHERS {
        let secure = kind.over_tls().then(|| certificate.clone());
        let ends = (kind == Peer::HalfClosed).then_some(number);
        let client = play_along(address, secure, ends, over.clone());
        others.spawn_on(client, runtime.handle());
    }
    let mut owed = Vec::new();
    if let Some(bound) = kind.first_byte() {
        owed = runtime.block_on(unpaid(std::mem::take(&mut kept), bound + PATIENCE));
    }
    std::thread::sleep(BEFORE);
    let stopped = process.stop(options.grace + Duration::from_secs(20))?;
    over.store(true, Ordering::Relaxed);
    let others = runtime.block_on(others.join_all());
    owed.extend(runtime.block_on(unpaid(kept, PATIENCE)));
    let report = std::fs::read(&report).unwrap_or_default();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap_or_default();
    Ok(Outcome {
        kind: kind
            .to_possible_value()
            .map_or_else(String::new, |it| it.get_name().to_owned()),
        peers: options.peers,
        others_served: others.iter().map(|(served, _)| served).sum(),
        others_lost: others.into_iter().flat_map(|(_, lost)| lost).collect(),
        signal_to_exit_ms: (stopped.ended - stopped.signalled).as_secs_f64() * 1e3,
        grace_ms: options.grace.as_secs_f64() * 1e3,
        exit: stopped.status.code(),
        let_go: report["let_go_total"].as_u64().unwrap_or(0),
        to_be_named: kind.is_to_be_named(),
        owed,
    })
}

/// What happened to each peer that did not get what it is owed within that time.
async fn unpaid(kept: Vec<Kept>, patience: Duration) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut unpaid = Vec::new();
    for it in kept {
        let Kept::Owed(waits) = it else {
            continue;
        };
        match tokio::time::timeout_at(deadline, waits).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => unpaid.push(format!("{error:#}")),
            Ok(Err(error)) => unpaid.push(error.to_string()),
            Err(_) => unpaid.push(format!("nothing came within {patience:?}")),
        }
    }
    unpaid
}

async fn open_all(
    kind: Peer,
    count: u32,
    address: SocketAddr,
    certificate: &Arc<Certificate>,
) -> anyhow::Result<Vec<Kept>> {
    let doors = Arc::new(Semaphore::new(AT_A_TIME));
    let mut opening = JoinSet::new();
    for number in 0..count {
        let (doors, certificate) = (doors.clone(), certificate.clone());
        opening.spawn(async move {
            let _door = doors.acquire().await;
            kind.open(number, address, &certificate).await
        });
    }
    let mut kept = Vec::new();
    while let Some(opened) = opening.join_next().await {
        kept.push(opened.context("a peer panicked")??);
    }
    Ok(kept)
}

/// How many requests were answered, and what happened to those that were not. Ends when nobody accepts any
/// more. Who has a number ends its side behind each request.
async fn play_along(
    address: SocketAddr,
    secure: Option<Arc<Certificate>>,
    ends: Option<u32>,
    over: Arc<AtomicBool>,
) -> (u64, Vec<String>) {
    let request = b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
    let (mut served, mut lost) = (0, Vec::new());
    while !over.load(Ordering::Relaxed) {
        match Connection::secure(address, secure.as_deref()).await {
            // A refusal is honest, and the end of it.
            Err(error) if is_refused(&error) => break,
            Err(error) => lost.push(format!("{error:#}")),
            Ok(mut connection) => {
                let answered = match ends {
                    None => connection.ask(request).await,
                    Some(n) => connection.ask_and_end(&peer::half_closing("/", n)).await,
                };
                match answered {
                    Ok(_) => served += 1,
                    Err(error) => lost.push(format!("{error:#}")),
                }
            }
        }
    }
    (served, lost)
}

fn is_refused(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused)
}
