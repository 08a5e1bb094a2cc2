//! One shutdown under the load of one client.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::flows::{Flows, Lost};
use super::line::Line;
use super::{Against, Client, Protocol};
use crate::kit::Kit;
use crate::shop;

/// What all clients have in common.
const WORKERS: u32 = 20;
/// The server's grace.
const GRACE: Duration = Duration::from_secs(8);
/// How long a client may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// From the moment when all workers have been answered to the signal: time for connections to become spare
/// ones, and for a look at the pool that a library makes once a second.
const BEFORE_MS: std::ops::Range<u64> = 500..1500;
/// How long what the client has sent last may be under way.
const LAST_PACKETS: Duration = Duration::from_millis(100);

/// What came of it.
pub struct Round {
    pub seed: u64,
    pub requests: u64,
    pub lost: Vec<Lost>,
    pub told: Told,
    pub ordered_twice: u64,
    pub missing: u64,
    pub exit: Option<i32>,
    /// What the server's report says that it let go.
    pub let_go: Vec<String>,
    pub signal_to_exit: Duration,
}

/// What a client says of itself.
#[derive(Deserialize)]
pub struct Told {
    pub answered: u64,
    pub posted: u64,
    pub refused: u64,
    pub failed: Vec<String>,
}

/// Starts both, stops the server, and accounts for every request.
pub fn run(
    client: &Client,
    kit: &Kit,
    against: Against,
    line: &Line,
    seed: u64,
) -> anyhow::Result<Round> {
    let folder = tempfile::tempdir().context("cannot make a folder for the orders")?;
    let listen = free(line.near().into())?;
    let mut server = Running(command_of(against, listen, folder.path())?.spawn()?);
    wait_for(listen, &mut server.0)?;
    line.follow(Flows::new(
        listen.port(),
        client.protocol != Protocol::Http1,
    ));

    let mut asks = Running(start(client, kit, line, listen.port(), seed)?);
    let said = lines(&mut asks.0)?;
    loop {
        match said.recv_timeout(PATIENCE) {
            Ok(line) if line == "ready" => break,
            Ok(_) => {}
            Err(why) => bail!("the client did not begin: {}", asks.complaint(why)),
        }
    }
    let mut random = StdRng::seed_from_u64(seed);
    std::thread::sleep(Duration::from_millis(random.random_range(BEFORE_MS)));
    let signal = Instant::now();
    kill_process(Pid::from_child(&server.0), Signal::TERM).context("cannot send SIGTERM")?;
    let exit = server.0.wait().context("cannot wait for the server")?;
    let signal_to_exit = signal.elapsed();

    let told = loop {
        match said.recv_timeout(PATIENCE) {
            Ok(line) if line.starts_with('{') => break line,
            Ok(_) => {}
            Err(why) => bail!("the client did not end: {}", asks.complaint(why)),
        }
    };
    let told: Told = serde_json::from_str(&told).context("the client's last line")?;
    std::thread::sleep(LAST_PACKETS);
    let flows = line
        .followed()
        .context("nobody has followed the connections")?;
    let (requests, lost) = flows.account(signal);
    if requests < told.answered {
        bail!(
            "{requests} requests were seen on the line, but {} were answered",
            told.answered
        );
    }
    let (booked, twice) = match against {
        Against::Shop => booked(folder.path())?,
        Against::Axum => (told.posted, 0),
    };
    // gRPC calls place no orders, whatever the workers count.
    let posted = match client.protocol {
        Protocol::Grpc => 0,
        _ => told.posted,
    };
    Ok(Round {
        seed,
        requests,
        lost,
        missing: posted.saturating_sub(booked),
        told,
        ordered_twice: twice,
        exit: exit.code(),
        let_go: let_go(folder.path()),
        signal_to_exit,
    })
}

fn free(address: std::net::IpAddr) -> anyhow::Result<SocketAddr> {
    TcpListener::bind((address, 0))
        .and_then(|it| it.local_addr())
        .with_context(|| format!("cannot find a free port on {address}"))
}

fn command_of(
    against: Against,
    listen: SocketAddr,
    folder: &std::path::Path,
) -> anyhow::Result<Command> {
    let arguments = match against {
        Against::Shop => {
            let admin = free(std::net::Ipv4Addr::LOCALHOST.into())?;
            let mut it = shop::Place { listen, admin }.command(folder, GRACE)?;
            it.remove(0);
            it
        }
        Against::Axum => vec!["serve".to_owned(), "axum".to_owned(), listen.to_string()],
    };
    let mut command = Command::new(shop::this_program()?);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for variable in shop::not_for_shops() {
        command.env_remove(variable);
    }
    command
        .env("LAMEDUCK_LAME_DUCK", "off")
        .env("LAMEDUCK_REPORT", folder.join(REPORT));
    Ok(command)
}

/// The shutdown report, beside the orders.
const REPORT: &str = "report.json";

fn let_go(folder: &std::path::Path) -> Vec<String> {
    let report = std::fs::read(folder.join(REPORT)).unwrap_or_default();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap_or_default();
    let list = report["let_go"].as_array();
    list.into_iter()
        .flatten()
        .map(|it| format!("let go: {it}"))
        .collect()
}

fn wait_for(address: SocketAddr, server: &mut Child) -> anyhow::Result<()> {
    let began = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        if let Some(status) = server.try_wait()? {
            bail!("the server ended at its start: {status}");
        }
        if began.elapsed() > PATIENCE {
            bail!("the server did not accept on {address} in time");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn start(client: &Client, kit: &Kit, line: &Line, port: u16, seed: u64) -> anyhow::Result<Child> {
    (client.command)(kit)
        .arg(format!("http://{}:{port}", line.far()))
        .arg(WORKERS.to_string())
        .arg(seed.to_string())
        .args(client.variant)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", client.name))
}

/// The lines that a client prints, as they come.
fn lines(child: &mut Child) -> anyhow::Result<Receiver<String>> {
    let output = child.stdout.take().context("the client has no output")?;
    let (to, from) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    Ok(from)
}

/// Orders in the books, and those of them that are there twice.
fn booked(folder: &std::path::Path) -> anyhow::Result<(u64, u64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(async {
        let file = folder.join("shop.sqlite");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut database = sqlx::ConnectOptions::connect(&options)
            .await
            .with_context(|| format!("cannot open {}", file.display()))?;
        let (orders, items): (i64, i64) =
            sqlx::query_as("SELECT COUNT(*), COUNT(DISTINCT item) FROM orders")
                .fetch_one(&mut database)
                .await
                .context("cannot count the orders")?;
        Ok((orders.unsigned_abs(), orders.abs_diff(items)))
    })
}

/// A process that is killed when dropped.
struct Running(Child);

impl Running {
    /// What it wrote to standard error, when it does not do what it should.
    fn complaint(&mut self, why: RecvTimeoutError) -> String {
        let _ = self.0.kill();
        let mut said = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            let _ = stderr.read_to_string(&mut said);
        }
        let lines: Vec<_> = said.trim().lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n");
        format!("{why}\n{last}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already; there is nothing to do about an error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
