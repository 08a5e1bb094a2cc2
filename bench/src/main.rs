//! `lameduck-bench`: what lameduck costs, beside its nearest neighbour.
//!
//! Every figure compares two things measured in turns on the same machine within moments of each
//! other, so that a busy machine slows both alike.

mod client;
mod exit;
mod http;
mod pairs;
mod process;
mod serve;
mod track;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What lameduck costs, beside its nearest neighbour
///
/// Measures in pairs and prints each figure with its target. Exit code: 0 if every target was met,
/// 1 if one was not, 2 if it could not be measured.
#[derive(Parser)]
#[command(name = "lameduck-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the in-flight ledger costs, beside `tokio_util::task::TaskTracker`
    Track(track::Options),
    /// What serving HTTP/1.1 costs, beside `axum::serve` with the same router
    Http(http::Options),
    /// How soon a process is gone after SIGTERM, beside axum's `with_graceful_shutdown`
    Exit(exit::Options),
    /// Be one of the servers under measurement
    #[command(hide = true)]
    Serve(serve::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Track(options) => track::run(&options),
        Command::Http(options) => http::run(&options),
        Command::Exit(options) => exit::run(&options),
        Command::Serve(options) => serve::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("lameduck-bench: {error:#}");
        ExitCode::from(2)
    })
}
