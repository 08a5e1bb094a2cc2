//! `lameduck-bench`: what lameduck costs, beside its nearest neighbour.
//!
//! Every figure compares two things measured in turns on the same machine within moments of each
//! other, so that a busy machine slows both alike.

mod certificate;
mod client;
mod clients;
mod engine;
mod exit;
mod flood;
mod honest;
mod hostile;
mod http;
mod instructions;
mod jobs;
mod kit;
mod matrix;
mod pairs;
mod planted;
mod process;
mod queues;
mod serve;
mod servers;
mod shop;
mod shutdowns;
mod surroundings;
mod track;
mod websockets;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What lameduck costs, beside its nearest neighbour
///
/// Measures in pairs and prints each figure with its target; without a subcommand, all of `track`,
/// `http` and `exit`. Exit code: 0 if every target was met, 1 if one was not, 2 if it could not be
/// measured.
#[derive(Parser)]
#[command(name = "lameduck-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// What the in-flight ledger costs, beside `tokio_util::task::TaskTracker`
    Track(track::Options),
    /// What serving HTTP/1.1 costs, beside `axum::serve`, hyper-util and actix-web, or `axum-server` with TLS
    Http(http::Options),
    /// How many instructions a keep-alive request takes, beside `axum::serve`, hyper-util and actix-web
    Instructions(instructions::Options),
    /// What the worker loop costs, beside the bare consumers of apalis, lapin and async-nats
    Queues(queues::Options),
    /// What 10,000 WebSockets cost beside the bare protocol crate, and how a shutdown closes them
    Websockets(websockets::Options),
    /// A thousand peers at once that do not play along, of each kind; whether anybody else is harmed
    Hostile(hostile::Options),
    /// How soon a process is gone after SIGTERM, beside axum's `with_graceful_shutdown`
    Exit(exit::Options),
    /// Stop the shop again and again under mixed load, and account for every request and order
    Shutdowns(shutdowns::Options),
    /// Stop the shop again and again under the load of real client libraries, and account for every request
    Clients(clients::Options),
    /// Stop the shop in a flood of short connections, and axum for contrast
    Flood(flood::Options),
    /// Stop the shop again and again while it sends receipts, and account for every job
    Jobs(jobs::Options),
    /// Put servers with one fault each to the prover, and see whether it finds exactly what each breaks
    Matrix(matrix::Options),
    /// Put servers without a fault to the prover again and again, and see whether it ever accuses one
    Honest(honest::Options),
    /// Be the prover, for a server without a fault
    #[command(hide = true)]
    HonestRound(honest::RoundOptions),
    /// Put servers that people run to the prover, and see whether it says of each what is known
    Servers(servers::Options),
    /// Stop a service in one odd surrounding after the other: full pipes, limits, signals, namespaces
    Surroundings(surroundings::Options),
    /// What the prover's load costs beside `wrk`: requests a second, processor time a request
    Engine(engine::Options),
    /// Be the prover whose load is measured
    #[command(hide = true)]
    EngineProver(engine::prover::Options),
    /// Be a server that does nothing
    #[command(hide = true)]
    IdleServer(engine::idle_server::Options),
    /// Be the service that is put into odd surroundings
    #[command(hide = true)]
    Surrounded(surroundings::service::Options),
    /// Be a command without some of what the kernel can do
    #[command(hide = true)]
    Without(surroundings::without::Options),
    /// Be one of the servers under measurement
    #[command(hide = true)]
    Serve(serve::Options),
    /// Be the shop
    #[command(hide = true)]
    Shop(shop::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Some(command) => command.run(),
        None => all(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("lameduck-bench: {error:#}");
        ExitCode::from(2)
    })
}

/// Every comparison with its default size.
fn all() -> anyhow::Result<ExitCode> {
    let mut worst = ExitCode::SUCCESS;
    for name in ["track", "http", "exit"] {
        println!("\n{name}");
        if let Some(command) = Cli::parse_from(["lameduck-bench", name]).command {
            let code = command.run()?;
            if code != ExitCode::SUCCESS {
                worst = code;
            }
        }
    }
    Ok(worst)
}

impl Command {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Command::Track(options) => track::run(&options),
            Command::Http(options) => http::run(&options),
            Command::Instructions(options) => instructions::run(&options),
            Command::Queues(options) => queues::run(&options),
            Command::Websockets(options) => websockets::run(&options),
            Command::Hostile(options) => hostile::run(&options),
            Command::Exit(options) => exit::run(&options),
            Command::Shutdowns(options) => shutdowns::run(&options),
            Command::Clients(options) => clients::run(&options),
            Command::Flood(options) => flood::run(&options),
            Command::Jobs(options) => jobs::run(&options),
            Command::Matrix(options) => matrix::run(&options),
            Command::Honest(options) => honest::run(&options),
            Command::HonestRound(options) => honest::round(&options),
            Command::Servers(options) => servers::run(&options),
            Command::Surroundings(options) => surroundings::run(&options),
            Command::Engine(options) => engine::run(&options),
            Command::EngineProver(options) => engine::prover::run(&options),
            Command::IdleServer(options) => engine::idle_server::run(&options),
            Command::Surrounded(options) => surroundings::service::run(&options),
            Command::Without(options) => surroundings::without::run(&options),
            Command::Serve(options) => serve::run(&options),
            Command::Shop(options) => shop::run(&options),
        }
    }
}
