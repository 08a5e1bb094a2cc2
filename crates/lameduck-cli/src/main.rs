//! The `lameduck` command: arguments in, exit code out.

mod args;
mod check;
mod demo;
mod progress;
mod run;
mod screen;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use args::{Cli, Command};

/// Bad usage, or nothing could be tested.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Demo => demo::run(),
        Command::Check(args) => check::run(*args),
        Command::Shop { arguments } => shop(arguments),
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

/// The reference service, in this process.
fn shop(arguments: Vec<OsString>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the shop's runtime")?;
    let name = OsString::from("shop");
    let exit = runtime.block_on(shop::main(std::iter::once(name).chain(arguments)));
    Ok(ExitCode::from(exit.code()))
}
