//! The prover in a process of its own, with nothing but keep-alive clients that do not think.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use lameduck_check::ledger::Round;
use lameduck_check::{Endpoint, Event, Observer, Plan, RequestTemplate};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::process::free_address;
use crate::shop::this_program;

/// The last of the shutdown is not measured: the server refuses by then.
const END: Duration = Duration::from_millis(100);

/// Options of the hidden `engine-prover`.
#[derive(Args)]
pub struct Options {
    #[arg(long)]
    connections: u32,
    #[arg(long)]
    seconds: u64,
    /// Where the server is to run
    #[arg(long)]
    server_core: u64,
    #[arg(long)]
    seed: u64,
}

/// What the prover saw.
#[derive(Serialize, Deserialize)]
pub struct Seen {
    /// All of them, from start to end.
    pub requests: u64,
    /// Between the signal and the server's end.
    pub per_second: f64,
}

#[derive(Default)]
struct Rate(Mutex<f64>);

impl Observer for Rate {
    fn on(&self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rate(round);
        }
    }
}

fn rate(round: &Round) -> f64 {
    let from = round.signalled();
    let until = from + round.signal_to_exit().saturating_sub(END);
    let answered = round.exchanges.iter().filter(|exchange| {
        exchange.ending.is_answered() && (from..until).contains(&exchange.ended)
    });
    answered.count() as f64 / (until - from).as_secs_f64()
}

/// Runs it, and prints what it saw as JSON.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to end together with the bench")?;
    let address = free_address()?;
    let program = this_program()?;
    let (core, seconds) = (options.server_core.to_string(), options.seconds.to_string());
    let (listen, url) = (address.to_string(), format!("http://{address}"));
    let command = [
        "taskset",
        "-c",
        &core,
        &program,
        "idle-server",
        &listen,
        "--seconds",
        &seconds,
    ];
    let mut plan = Plan::new(Endpoint::parse(&url)?, command);
    plan.get = vec![RequestTemplate::get("/")];
    plan.rounds = 1;
    plan.startup_rounds = 0;
    plan.seed = options.seed;
    plan.grace = Duration::from_secs(options.seconds + 10);
    plan.clients.keep_alive = options.connections;
    plan.clients.think = Some(Duration::ZERO);
    plan.clients.pooled = 0;
    plan.clients.per_request = 0;
    plan.clients.idle = 0;
    let rate = Rate::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let outcome = runtime.block_on(lameduck_check::run(&plan, &rate))?;
    let tally = outcome.tally;
    let expected = tally.ok + tally.ok_close + tally.refused;
    ensure!(
        tally.requests() == expected,
        "a server that loses nothing lost something: {tally:?}"
    );
    let seen = Seen {
        requests: tally.requests(),
        per_second: rate.0.into_inner().unwrap_or_else(PoisonError::into_inner),
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(ExitCode::SUCCESS)
}
