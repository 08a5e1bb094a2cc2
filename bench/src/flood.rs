//! A flood of short connections in the middle of which a server stops: whether one that was
//! established is reset. Closing a listener resets what waits in its accept queue.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use lameduck_check::{Arrivals, Endpoint, Event, Observer, Plan, RequestTemplate, RunOutcome};
use serde::Serialize;

use crate::serve::Server;
use crate::shop;

/// Options of `flood`.
#[derive(Args)]
pub struct Options {
    /// Shutdowns of each server
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Clients that connect, ask, read and close, in a closed loop
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,

    /// Decides the moments of the signals
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

const GRACE: Duration = Duration::from_secs(5);

/// Floods both servers, prints what came of it, and says whether ours lost a connection.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let folder = tempfile::tempdir().context("cannot make a folder for the orders")?;
    let place = shop::Place::free()?;
    let ours = place.command(folder.path(), GRACE)?;
    let ours = runtime.block_on(flood("shop", ours, &place.url(), options))?;

    let place = shop::Place::free()?;
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let name = Server::Axum
        .to_possible_value()
        .map_or_else(String::new, |v| v.get_name().to_owned());
    let listen = place.url().replace("http://", "");
    let theirs = vec![this.display().to_string(), "serve".to_owned(), name, listen];
    let theirs = runtime.block_on(flood("axum", theirs, &place.url(), options))?;

    let kept = ours.kept();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&[ours, theirs])?);
    } else {
        for it in [ours, theirs] {
            it.print();
        }
    }
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn flood(
    name: &'static str,
    command: Vec<String>,
    url: &str,
    options: &Options,
) -> anyhow::Result<Flooded> {
    let mut plan = Plan::new(Endpoint::parse(url)?, command);
    plan.get = vec![RequestTemplate::get("/work?ms=0")];
    plan.grace = GRACE;
    plan.rounds = options.rounds;
    plan.seed = options.seed;
    plan.startup_rounds = 0;
    plan.clients.keep_alive = 0;
    plan.clients.pooled = 0;
    plan.clients.per_request = options.clients;
    plan.clients.arrivals = Arrivals::OneByOne;
    plan.clients.idle = 0;
    let outcome = lameduck_check::run(&plan, &Progress { name }).await?;
    Ok(Flooded::of(name, &outcome))
}

struct Progress {
    name: &'static str,
}

impl Observer for Progress {
    fn on(&self, event: &Event<'_>) {
        if let Event::RoundEnded { round } = event {
            let lost = round.exchanges.iter().filter(|it| it.ending.is_lost());
            eprintln!(
                "{} {}: {} requests, {} lost",
                self.name,
                round.number,
                round.exchanges.len(),
                lost.count()
            );
        }
    }
}

/// What became of one server's clients.
#[derive(Serialize)]
struct Flooded {
    server: &'static str,
    rounds: u32,
    requests: u64,
    /// Connections that were established and reset before an answer.
    reset: u64,
    /// Lost in any way, these included.
    lost: u64,
    /// Shutdowns in which none was lost.
    clean_rounds: u32,
    /// The most that were lost in one.
    worst_round: u64,
    /// How often it did not end with 0.
    bad_exits: u32,
}

impl Flooded {
    fn of(server: &'static str, outcome: &RunOutcome) -> Flooded {
        let rounds = &outcome.trace.rounds;
        let lost: Vec<u64> = rounds.iter().map(|round| round.tally.lost()).collect();
        let reset = rounds.iter().map(|it| it.tally.reset_before_response);
        Flooded {
            server,
            rounds: outcome.rounds,
            requests: rounds.iter().map(|it| it.tally.requests()).sum(),
            reset: reset.sum(),
            lost: lost.iter().sum(),
            clean_rounds: lost.iter().filter(|n| **n == 0).count() as u32,
            worst_round: lost.iter().copied().max().unwrap_or(0),
            bad_exits: rounds
                .iter()
                .filter(|round| round.exit.code != Some(0))
                .count() as u32,
        }
    }

    fn kept(&self) -> bool {
        self.lost == 0 && self.bad_exits == 0
    }

    fn print(&self) {
        println!(
            "{:<5} {} shutdowns, {} requests, {} lost ({} reset), {} shutdowns without loss, at worst {}, {} bad exits",
            self.server,
            self.rounds,
            self.requests,
            self.lost,
            self.reset,
            self.clean_rounds,
            self.worst_round,
            self.bad_exits
        );
    }
}
