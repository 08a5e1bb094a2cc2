//! How soon a process is gone after SIGTERM: no later than its work needs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::client::{Connection, request};
use crate::http::{in_turns, open_idle};
use crate::pairs::{Pair, Row, Target, conclude};
use crate::process::{Process, allow_open_files};
use crate::serve::Server;

/// Options of `exit`.
#[derive(Args)]
pub struct Options {
    /// Pairs of shutdowns with a slow request under way, and of idle ones
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Work left of the slow request when SIGTERM comes
    #[arg(long, default_value_t = 1300, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(1..=60_000))]
    work_ms: u64,

    /// Idle keep-alive connections in the crowded shutdowns; 0 for none of these
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(..=19_000))]
    idle: u32,

    /// Pairs of crowded shutdowns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    idle_rounds: u32,

    /// Decides who goes first in each pair
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// One shutdown, in milliseconds.
struct Shutdown {
    /// From SIGTERM until the process was gone.
    after_signal: f64,
    /// From the whole answer of the slow request until the process was gone.
    after_work: f64,
}

/// Measures, prints, and says whether every target was met.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    allow_open_files(u64::from(options.idle) + 100)?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let work = Duration::from_millis(options.work_ms);

    let working = in_turns(options.rounds, &mut rng, Server::Axum, |server| {
        with_work(server, work, 0)
    })?;
    let idle = in_turns(options.rounds, &mut rng, Server::Axum, idle)?;
    let mut rows = vec![
        Row::difference(
            format!("SIGTERM to exit, {} ms of work", options.work_ms),
            "ms",
            &column(&working, |s| s.after_signal),
            Some(Target::AtMost(50.0)),
        ),
        Row::alone(
            "SIGTERM to exit, idle",
            "ms",
            &idle,
            Some(Target::AtMost(50.0)),
        ),
    ];
    if options.idle > 0 {
        let crowded = in_turns(options.idle_rounds, &mut rng, Server::Axum, |server| {
            with_work(server, work, options.idle)
        })?;
        rows.push(Row::alone(
            format!("work done to exit, {} idle", options.idle),
            "ms",
            &column(&crowded, |s| s.after_work),
            Some(Target::AtMost(QUIET_MS + 300.0)),
        ));
    }
    conclude("axum", &rows, options.json)
}

/// For how long after the last answer idle connections are kept for whoever got it, in milliseconds: a pool may take one
/// of them next (docs/clients.md). Before they were, real clients lost requests.
const QUIET_MS: f64 = 150.0;

fn column(pairs: &[(Shutdown, Shutdown)], of: fn(&Shutdown) -> f64) -> Vec<Pair> {
    pairs.iter().map(|(a, b)| (of(a), of(b))).collect()
}

/// A shutdown with nothing to do.
fn idle(server: Server) -> anyhow::Result<f64> {
    let stopped = Process::start(server)?.stop(Duration::from_secs(10))?;
    expect_clean(&stopped.status)?;
    Ok(millis(stopped.ended - stopped.signalled))
}

/// A shutdown with `left` of a slow request to go, beside `crowd` idle connections. The request
/// must get its whole answer.
fn with_work(server: Server, left: Duration, crowd: u32) -> anyhow::Result<Shutdown> {
    /// Time for the request to reach its handler.
    const ARRIVES_WITHIN: Duration = Duration::from_millis(300);

    // Two threads: the one that stops the process must not wait for the one that reads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let process = Process::start(server)?;
    let idle = runtime.block_on(open_idle(process.address, None, crowd))?;
    let address = process.address;
    let asked = Instant::now();
    let slow = runtime.spawn(async move {
        let mut connection = Connection::open(address).await?;
        let work = request(&format!("/work?ms={}", (left + ARRIVES_WITHIN).as_millis()));
        connection.ask(&work).await?;
        anyhow::Ok(Instant::now())
    });
    // What idle clients do when the server closes: close too.
    for mut connection in idle {
        runtime.spawn(async move { connection.closed().await });
    }
    std::thread::sleep(ARRIVES_WITHIN.saturating_sub(asked.elapsed()));
    let stopped = process.stop(left + Duration::from_secs(20))?;
    expect_clean(&stopped.status)?;
    let answered = runtime
        .block_on(slow)
        .context("the client panicked")?
        .context("the slow request was lost")?;
    Ok(Shutdown {
        after_signal: millis(stopped.ended - stopped.signalled),
        after_work: millis(stopped.ended.saturating_duration_since(answered)),
    })
}

fn expect_clean(status: &std::process::ExitStatus) -> anyhow::Result<()> {
    if !status.success() {
        bail!("the server ended with {status}, expected 0");
    }
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
