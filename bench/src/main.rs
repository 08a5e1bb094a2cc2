//! `lameduck-bench`: what lameduck costs, beside its nearest neighbour.
//!
//! Every figure is a ratio of two things measured in turns (A B A B …) on the same machine within
//! a few milliseconds of each other, so a busy machine slows both alike.

mod pairs;
mod track;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "lameduck-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What the in-flight ledger costs, beside `tokio_util::task::TaskTracker`
    Track(track::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Track(options) => track::run(&options),
    };
    match result {
        Ok(verdict) => verdict,
        Err(error) => {
            eprintln!("lameduck-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}
