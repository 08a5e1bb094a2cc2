//! What the prover's load costs, beside `wrk`: requests in a second and processor time for a request, with 64 connections
//! and no time to think, against a server that does nothing.
//!
//! # What must hold
//!
//! 1. Server and client have a core each, the same in every run: what one of them gets does not depend on the other.
//! 2. The prover is measured whole: its processor time is that of its process from start to end, with what it needs to
//!    judge what it saw, and every request is in its account.
//! 3. A run in which a request was lost, or anything but answered or refused, is no measurement: the server loses none.

pub mod idle_server;
pub mod prover;

use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, bail, ensure};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::http::all_in_turns;
use crate::instructions::is_installed;
use crate::pairs::{Pair, Row, Target, conclude};
use crate::process::{free_address, this_program};

/// Options of `engine`.
#[derive(Args)]
pub struct Options {
    /// Pairs of runs: the prover, and `wrk`
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,

    /// Keep-alive connections, each of which asks again as soon as it has its answer
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,

    /// Seconds of each run
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,

    /// Measure, and do not judge: a debug build has other figures
    #[arg(long)]
    no_target: bool,

    /// Decides the order in each pair
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What one run came to.
struct Run {
    per_second: f64,
    /// Microseconds of processor time for each request.
    micros: f64,
}

/// Measures, prints, and says whether the targets were met.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    for (tool, package) in [("wrk", "wrk"), ("taskset", "util-linux")] {
        if !is_installed(tool)? {
            let missing = format!("{tool} not installed (apt-get install {package})");
            real_servers::skip(&missing);
            return Ok(ExitCode::SUCCESS);
        }
    }
    let cores = Cores::choose()?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let runs = all_in_turns(options.pairs, &mut rng, 2, |which| match which {
        0 => ours(options, cores),
        _ => wrk(options, cores),
    })?;
    let pairs = |figure: fn(&Run) -> f64| -> Vec<Pair> {
        let pair = |run: &Vec<Run>| (figure(&run[0]), figure(&run[1]));
        runs.iter().map(pair).collect()
    };
    let target = |target| (!options.no_target).then_some(target);
    let rows = [
        Row::ratio(
            "requests a second",
            "",
            &pairs(|run| run.per_second),
            target(Target::AtLeast(0.7)),
        ),
        Row::ratio(
            "processor time a request",
            "µs",
            &pairs(|run| run.micros),
            target(Target::AtMost(1.5)),
        ),
    ];
    conclude("wrk", &rows, options.json)
}

/// Where the server runs, and who asks it.
#[derive(Clone, Copy)]
struct Cores {
    server: usize,
    client: usize,
}

impl Cores {
    /// The first two that this process may use; a machine with one has both on it.
    fn choose() -> anyhow::Result<Cores> {
        let may =
            rustix::thread::sched_getaffinity(None).context("cannot see which cores there are")?;
        let mut cores = (0..rustix::thread::CpuSet::MAX_CPU).filter(|core| may.is_set(*core));
        let server = cores.next().context("there is no core to run on")?;
        Ok(Cores {
            server,
            client: cores.next().unwrap_or(server),
        })
    }
}

/// A command on one core, which ends with this process.
fn pinned(core: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}

/// The prover, which starts the server itself.
fn ours(options: &Options, cores: Cores) -> anyhow::Result<Run> {
    let mut command = pinned(cores.client, this_program()?);
    command.arg("engine-prover");
    for (flag, value) in [
        ("--connections", u64::from(options.connections)),
        ("--seconds", u64::from(options.seconds)),
        ("--server-core", cores.server as u64),
        ("--seed", options.seed),
    ] {
        command.arg(flag).arg(value.to_string());
    }
    let child = command.stdout(Stdio::piped()).spawn();
    let (text, micros) = ended(child.context("cannot start the prover")?)?;
    let seen: prover::Seen =
        serde_json::from_str(&text).with_context(|| format!("the prover said {text:?}"))?;
    Ok(Run {
        per_second: seen.per_second,
        micros: micros / seen.requests as f64,
    })
}

fn wrk(options: &Options, cores: Cores) -> anyhow::Result<Run> {
    let address = free_address()?;
    let mut server = pinned(cores.server, this_program()?);
    server.arg("idle-server").arg(address.to_string());
    let mut server = server.spawn().context("cannot start the server")?;
    let measured = accepts(address).and_then(|()| {
        let mut wrk = pinned(cores.client, "wrk");
        wrk.arg("-t1")
            .arg(format!("-c{}", options.connections))
            .arg(format!("-d{}s", options.seconds))
            .arg(format!("http://{address}/"));
        let child = wrk.stdout(Stdio::piped()).spawn();
        ended(child.context("cannot start wrk")?)
    });
    let _ = server.kill();
    let _ = server.wait();
    let (text, micros) = measured?;
    let said = WrkReport::read(&text).with_context(|| format!("wrk said {text:?}"))?;
    ensure!(!said.has_errors, "wrk had errors: {text}");
    Ok(Run {
        per_second: said.per_second,
        micros: micros / said.requests,
    })
}

fn accepts(address: SocketAddr) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_secs(10) {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    bail!("the server did not accept on {address} in time")
}

/// What a process wrote, and the microseconds of processor time that it took. Read before it is gone for good.
fn ended(mut child: Child) -> anyhow::Result<(String, f64)> {
    let mut text = String::new();
    if let Some(mut out) = child.stdout.take() {
        std::io::Read::read_to_string(&mut out, &mut text)?;
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("a process id is a number above 0")?;
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )
    .context("cannot wait for the process")?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let status = child.wait()?;
    ensure!(status.success(), "ended with {status}: {text}");
    let ticks = ticks(&stat).with_context(|| format!("no processor time in {stat:?}"))?;
    let each = 1e6 / rustix::param::clock_ticks_per_second() as f64;
    Ok((text, ticks as f64 * each))
}

/// What `/proc/PID/stat` says of its own time in user and kernel mode. The name before may have spaces in it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

/// What `wrk` says at its end.
#[derive(Debug, PartialEq)]
struct WrkReport {
    requests: f64,
    per_second: f64,
    has_errors: bool,
}

impl WrkReport {
    fn read(text: &str) -> Option<Self> {
        let lines = || text.lines().map(str::trim);
        let requests = lines().find_map(|line| line.split_once(" requests in "));
        let per_second = lines().find_map(|line| line.strip_prefix("Requests/sec:"));
        Some(Self {
            requests: requests?.0.parse().ok()?,
            per_second: per_second?.trim().parse().ok()?,
            has_errors: lines()
                .any(|line| line.starts_with("Socket errors") || line.starts_with("Non-2xx")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_wrk_is_read() {
        let text = "Running 4s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  Latency  1ms\n  \
                    401234 requests in 4.00s, 17.22MB read\nRequests/sec: 100308.50\nTransfer/sec:      4.31MB\n";
        let report = WrkReport::read(text).unwrap();
        assert_eq!((report.requests, report.per_second), (401_234.0, 100_308.5));
        assert!(!report.has_errors);
        let errors = text.replace("Transfer", "  Socket errors: connect 0, read 3\nTransfer");
        assert!(WrkReport::read(&errors).unwrap().has_errors);
        assert_eq!(WrkReport::read("nothing of it"), None);
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 41 2 0 0 20 0";
        assert_eq!(ticks(stat), Some(43));
    }
}
