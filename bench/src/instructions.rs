//! How many instructions a server's process takes for a keep-alive request, counted by valgrind's callgrind.
//!
//! Times swing by a half on a busy machine; this does not: two runs differ by a fifth of a percent. What the kernel
//! does is not counted, nor how long a processor takes for an instruction.
//!
//! # What must hold
//!
//! 1. Nothing but requests is counted: callgrind begins when the server has started, each connection is open and has
//!    been used, and ends when the last answer is there.
//! 2. Each server has the same load, the same number of threads and, but for actix-web, the same router.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail, ensure};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;

use crate::client::Connection;
use crate::http::all_in_turns;
use crate::pairs::{Pair, Row, Target, conclude};
use crate::process::Process;
use crate::serve::Server;

/// Requests on each connection before the first that counts: what is set up once is not a request's.
const WARM_UP: u32 = 100;

/// With the headers that curl sends.
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: bench\r\nuser-agent: lameduck-bench\r\naccept: */*\r\n\r\n";

/// Options of `instructions`.
#[derive(Args)]
pub struct Options {
    /// Requests that are counted, of each server in each round
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,

    /// Keep-alive connections, each of which asks again as soon as it has its answer
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,

    /// Threads that serve
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,

    /// Processes of each server, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Keep the profiles in this folder, for `callgrind_annotate`
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,

    /// Count, and do not judge: a debug build has other figures
    #[arg(long)]
    no_target: bool,

    /// Decides the order in each turn
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Counts, prints, and says whether the target was met.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if !is_installed("valgrind")? || !is_installed("vgdb")? {
        real_servers::skip("valgrind not installed (apt-get install valgrind)");
        return Ok(ExitCode::SUCCESS);
    }
    let temporary = tempfile::tempdir().context("cannot make a folder for the profiles")?;
    let folder = options.profiles.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = fs::canonicalize(folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let servers = [
        Server::Lameduck,
        Server::Axum,
        Server::HyperUtil,
        Server::ActixWeb,
    ];
    let mut counted = 0;
    let rounds = all_in_turns(options.rounds, &mut rng, servers.len(), |i| {
        let round = counted / servers.len() + 1;
        counted += 1;
        let profile = folder.join(format!("{}-{round}", servers[i].name()));
        runtime.block_on(count(servers[i], options, &profile))
    })?;
    let rows: Vec<Row> = servers[1..]
        .iter()
        .enumerate()
        .map(|(i, server)| {
            let pairs: Vec<Pair> = rounds.iter().map(|it| (it[0], it[i + 1])).collect();
            let judged = *server == Server::Axum && !options.no_target;
            Row::ratio(
                format!("instructions a request, {}", server.name()),
                "",
                &pairs,
                judged.then_some(Target::AtMost(1.03)),
            )
        })
        .collect();
    conclude("neighbour", &rows, options.json)
}

/// Instructions for each of the requests.
async fn count(server: Server, options: &Options, profile: &Path) -> anyhow::Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--instr-atstart=no"]);
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(profile);
    valgrind.arg(out);
    let threads = options.threads.to_string();
    let process = Process::start_under(valgrind, server, &["--threads", &threads])?;
    let mut connections = Vec::new();
    for _ in 0..options.connections {
        let mut connection = Connection::open(process.address).await?;
        let length = connection.ask(REQUEST).await?;
        connections.push((connection, length));
    }
    let connections = load(connections, options.connections * WARM_UP).await?;
    tell(&process, &["instrumentation", "on"])?;
    load(connections, options.requests).await?;
    tell(&process, &["instrumentation", "off"])?;
    tell(&process, &["dump"])?;
    let mut dumped = profile.as_os_str().to_owned();
    dumped.push(".1");
    let text = fs::read_to_string(&dumped)
        .with_context(|| format!("callgrind did not write {}", dumped.display()))?;
    let instructions = totals(&text)
        .with_context(|| format!("no instructions were counted in {}", dumped.display()))?;
    Ok(instructions as f64 / f64::from(options.requests))
}

/// So many requests in all, as evenly as may be over the connections.
async fn load(
    connections: Vec<(Connection, usize)>,
    requests: u32,
) -> anyhow::Result<Vec<(Connection, usize)>> {
    let count = connections.len() as u32;
    let mut asking = JoinSet::new();
    for ((mut connection, length), i) in connections.into_iter().zip(0..) {
        let share = requests / count + u32::from(i < requests % count);
        asking.spawn(async move {
            for _ in 0..share {
                connection.ask_again(REQUEST, length).await?;
            }
            anyhow::Ok((connection, length))
        });
    }
    let mut connections = Vec::new();
    while let Some(joined) = asking.join_next().await {
        connections.push(joined.context("a client panicked")??);
    }
    Ok(connections)
}

/// Tells callgrind, which is in the server's process, what to do.
fn tell(process: &Process, words: &[&str]) -> anyhow::Result<()> {
    let told = Command::new("vgdb")
        .arg(format!("--pid={}", process.id()))
        .args(words)
        .output()
        .context("cannot start vgdb")?;
    let said = String::from_utf8_lossy(&told.stderr);
    ensure!(
        told.status.success(),
        "vgdb cannot reach valgrind ({}): {said}",
        told.status
    );
    Ok(())
}

/// The instructions in a profile; `None` if there are none.
fn totals(profile: &str) -> Option<u64> {
    let line = profile.lines().find_map(|it| it.strip_prefix("totals: "))?;
    line.trim().parse().ok().filter(|it| *it > 0)
}

/// Whether there is such a program.
pub(crate) fn is_installed(program: &str) -> anyhow::Result<bool> {
    match Command::new(program).arg("--help").output() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => bail!("cannot start {program}: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_instructions_is_no_figure() {
        let profile = "events: Ir\n\nfn=(0)\n1 70\n\ntotals: 162475205\n";
        assert_eq!(totals(profile), Some(162_475_205));
        assert_eq!(totals("events: Ir\ntotals: 0\n"), None);
        assert_eq!(totals("events: Ir\n"), None);
    }
}
