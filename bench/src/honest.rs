//! Servers without a fault, again and again: whether the prover ever accuses one, and how often it cannot tell.
//!
//! # What must hold
//! - No promise of a server without a fault is broken, whatever else the machine does, and whatever stops the prover.
//! - The prover is a process of its own here, so that it can be stopped while its target runs on.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use lameduck_check::{Judgement, Silent};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::planted::{Planted, Way};
use crate::shop::this_program;

/// Options of `honest`.
#[derive(Args)]
pub struct Options {
    /// Shutdowns of each server at each round trip
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Which servers. Default: all that can run here
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Planted>,

    /// Round trips between clients and server
    #[arg(long, default_value = "0s,40ms", value_delimiter = ',', value_name = "TIME",
          value_parser = humantime::parse_duration)]
    rtt: Vec<Duration>,

    /// Keep every core busy with something else meanwhile
    #[arg(long)]
    load: bool,

    /// Stop the prover (SIGSTOP) for 0.1 to 2 s now and again
    #[arg(long)]
    stops: bool,

    /// Only shutdowns under load, without the rounds that have a purpose of their own
    #[arg(long)]
    only_load: bool,

    /// Decides the moments of the signals and of the stops
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Options of the hidden `honest-round`.
#[derive(Args)]
pub struct RoundOptions {
    #[arg(long, value_enum)]
    server: Planted,
    #[arg(long, value_parser = humantime::parse_duration)]
    rtt: Duration,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    only_load: bool,
}

/// The server's grace. A machine with far too much to do needs some of it.
const GRACE: Duration = Duration::from_secs(8);
/// Between two stops of the prover, at the most.
const LONGEST_RUN: u64 = 3000;
/// Of the rounds of an unloaded machine, so many may be undecided.
const UNDECIDED: f64 = 0.02;

/// What one run of the prover came to.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    broken: Vec<String>,
    undecided: Vec<String>,
    /// Why it came to no verdict.
    error: Option<String>,
}

/// Is the prover, for one shutdown of each kind.
pub fn round(options: &RoundOptions) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("cannot make a folder for the books")?;
    let mut plan = options
        .server
        .plan("none", GRACE, Way::LOOPBACK, folder.path())?;
    plan.rtt = options.rtt;
    plan.seed = options.seed;
    if options.only_load {
        plan.startup_rounds = 0;
        plan.clients.idle = 0;
        let others = ["second-signal", "stuck-told"].map(str::to_owned);
        plan.rules.except.extend(others);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let told = match runtime.block_on(lameduck_check::run(&plan, &Silent)) {
        Err(error) => Told {
            error: Some(error.to_string()),
            ..Told::default()
        },
        Ok(outcome) => {
            let named = |judgement| {
                let verdicts = outcome.verdicts.iter();
                let such = verdicts.filter(move |it| it.judgement == judgement);
                let told = such.map(|it| {
                    let first = it.evidence.first();
                    let first =
                        first.map(|it| format!("{:+.1} ms, {}: {}", it.at_ms, it.r#where, it.what));
                    format!("{}: {}", it.name, first.unwrap_or_default())
                });
                told.collect()
            };
            Told {
                broken: named(Judgement::Broken),
                undecided: named(Judgement::Undecided),
                error: outcome.cut_short.clone(),
            }
        }
    };
    println!("{}", serde_json::to_string(&told)?);
    Ok(ExitCode::SUCCESS)
}

/// What came of one server at one round trip.
#[derive(Default)]
struct Sum {
    runs: u32,
    with_undecided: u32,
    /// Undecided, by promise.
    undecided: BTreeMap<String, u32>,
    false_alarms: Vec<String>,
    errors: Vec<String>,
}

/// Runs the campaign, prints what came of it, and says whether anybody was accused.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let here = Planted::here();
    let wanted = |server: &&Planted| options.servers.is_empty() || options.servers.contains(server);
    let servers: Vec<Planted> = here.iter().filter(wanted).copied().collect();
    if servers.is_empty() {
        bail!("none of these servers can be started here");
    }
    let is_over = AtomicBool::new(false);
    let sums = std::thread::scope(|scope| {
        if options.load {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            for _ in 0..cores {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
        }
        let sums = campaign(&servers, options);
        is_over.store(true, Ordering::Relaxed);
        sums
    })?;
    let (mut alarms, mut errors, mut runs, mut undecided) = (0, 0, 0, 0);
    for sum in &sums {
        alarms += sum.false_alarms.len();
        errors += sum.errors.len();
        runs += sum.runs;
        undecided += sum.with_undecided;
    }
    let share = f64::from(undecided) / f64::from(runs.max(1));
    println!(
        "{runs} runs: {alarms} false alarms, {errors} without a verdict, {:.1} % with something undecided",
        100.0 * share
    );
    // A machine that is kept busy, or a prover that is stopped, may leave more undecided.
    let is_quiet = !options.load && !options.stops;
    let is_good = alarms == 0 && errors == 0 && (!is_quiet || share <= UNDECIDED);
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn campaign(servers: &[Planted], options: &Options) -> anyhow::Result<Vec<Sum>> {
    let mut sums = Vec::new();
    for &server in servers {
        for &rtt in &options.rtt {
            let mut sum = Sum::default();
            for number in 1..=options.rounds {
                let seed = (options.seed << 16) | u64::from(number);
                let told = prover(server, rtt, seed, options)?;
                sum.add(seed, told);
            }
            sum.print(server, rtt);
            sums.push(sum);
        }
    }
    Ok(sums)
}

/// Starts the prover, stops it now and again if that is wanted, and reads what it says.
fn prover(server: Planted, rtt: Duration, seed: u64, options: &Options) -> anyhow::Result<Told> {
    let name = server.name().to_lowercase();
    let mut command = Command::new(this_program()?);
    command.args(["honest-round", "--server", &name]);
    command.args(["--rtt", &format!("{}ms", rtt.as_millis())]);
    command.args(["--seed", &seed.to_string()]);
    command.args(options.only_load.then_some("--only-load"));
    let child = command.stdout(Stdio::piped()).spawn();
    let child = child.context("cannot start the prover")?;
    let pid = Pid::from_child(&child);
    let is_over = AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        if options.stops {
            scope.spawn(|| stop_now_and_again(pid, seed, &is_over));
        }
        let output = child.wait_with_output();
        is_over.store(true, Ordering::Relaxed);
        output
    });
    let output = output.context("cannot wait for the prover")?;
    let told = serde_json::from_slice(&output.stdout);
    told.with_context(|| format!("the prover said no verdict, {}", output.status))
}

/// Until it is over. The last thing is always that it goes on.
fn stop_now_and_again(pid: Pid, seed: u64, is_over: &AtomicBool) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut wait = |from: u64, to: u64, is_over: &AtomicBool| {
        let until = Instant::now() + Duration::from_millis(random.random_range(from..=to));
        while Instant::now() < until && !is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    while !is_over.load(Ordering::Relaxed) {
        wait(100, LONGEST_RUN, is_over);
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        // It may have ended just now: then there is nobody to stop.
        if kill_process(pid, Signal::STOP).is_err() {
            return;
        }
        wait(100, 2000, is_over);
        let _ = kill_process(pid, Signal::CONT);
    }
}

impl Sum {
    fn add(&mut self, seed: u64, told: Told) {
        self.runs += 1;
        self.with_undecided += u32::from(!told.undecided.is_empty());
        for it in told.undecided {
            let promise = it.split(':').next().unwrap_or_default().to_owned();
            *self.undecided.entry(promise).or_default() += 1;
        }
        let with_seed = |it| format!("seed {seed}: {it}");
        self.false_alarms
            .extend(told.broken.into_iter().map(with_seed));
        self.errors.extend(told.error.into_iter().map(with_seed));
    }

    fn print(&self, server: Planted, rtt: Duration) {
        let undecided = self.undecided.iter();
        let undecided: Vec<String> = undecided
            .map(|(name, times)| format!("{name} {times}"))
            .collect();
        println!(
            "{:8} {:>5}: {} runs, {} false alarms, {} undecided ({:.1} %){}{}",
            server.name(),
            humantime::format_duration(rtt),
            self.runs,
            self.false_alarms.len(),
            self.with_undecided,
            100.0 * f64::from(self.with_undecided) / f64::from(self.runs.max(1)),
            if undecided.is_empty() { "" } else { ": " },
            undecided.join(", ")
        );
        for it in &self.false_alarms {
            println!("    FALSE ALARM {it}");
        }
        for it in &self.errors {
            println!("    no verdict: {it}");
        }
    }
}
