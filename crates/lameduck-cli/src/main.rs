//! The `lameduck` command: arguments in, exit code out.

mod args;
mod check;
mod demo;
mod explain;
mod from;
mod init;
mod output_file;
mod outputs;
mod progress;
mod round_log;
mod run;
mod screen;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};

use args::{Cli, Command};

/// Bad usage, or nothing could be tested.
pub(crate) const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| explain(error));
    let ended = match cli.command {
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
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::from(UNUSABLE)
    })
}

/// Says what is wrong with the arguments, and ends the process.
fn explain(mut error: clap::Error) -> ! {
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg)
        && !word.starts_with('-')
    {
        let tip = format!("the command to start goes behind two dashes: -- {word}");
        let tip = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    error.exit()
}

/// The reference service, in this process.
fn shop(arguments: Vec<OsString>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the shop's runtime")?;
    let name = OsString::from("shop");
    let exit = runtime.block_on(shop::main(std::iter::once(name).chain(arguments)));
    Ok(ExitCode::from(exit.code()))
}
