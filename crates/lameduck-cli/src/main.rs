//! The `lameduck` command: arguments in, exit code out.

mod args;
mod check;
mod progress;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};

/// Bad usage, or nothing could be tested.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Check(args) => check::run(*args),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "lameduck",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(UNUSABLE)
    })
}
