//! Many shutdowns of a shop that sends receipts: whether a job ever vanishes.
//!
//! Each order is committed together with the job to send its receipt. In each round a shop is
//! stopped, or killed, while customers order and receipts of 10 ms to 10 s are being sent; the next
//! one is started beside it, as in a deploy, or after it. In the end each order that was answered
//! `201` must be in the books with its receipt.
//!
//! | room | what is in it |
//! |---|---|
//! | `place` | where the orders and the jobs are |
//! | `load`, `wire` | the customers |
//! | `worker`, `log` | a shop, and what it leaves behind |
//! | `campaign` | round after round |
//! | `accounts` | what that proves |
//! | `outcome` | how it is shown |

mod accounts;
mod campaign;
mod load;
mod log;
mod outcome;
mod place;
mod wire;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use place::{On, Place};

/// Options of `jobs`.
#[derive(Args)]
pub struct Options {
    /// Shutdowns on each
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Decides the moments of the signals, what is ordered and when, and how long each receipt takes
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Where the orders and the jobs are; on each of them, one after the other. Default: all
    #[arg(long, value_enum, value_delimiter = ',')]
    on: Vec<On>,

    /// Kill the shops (SIGKILL) instead of stopping them (SIGTERM)
    #[arg(long)]
    kill: bool,

    /// The shops' grace
    #[arg(long, default_value = "5s", value_name = "DURATION",
          value_parser = humantime::parse_duration)]
    grace: Duration,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the campaigns, prints what came of them, and says whether anything was wrong.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let everywhere = On::value_variants();
    let places = match options.on.is_empty() {
        true => everywhere,
        false => &options.on,
    };
    let mut outcomes = Vec::new();
    for on in places {
        let folder = tempfile::Builder::new()
            .prefix(&format!("jobs-on-{}-", on.name()))
            .tempdir()
            .context("cannot make a folder for the papers")?;
        let Some(place) = Place::open(*on, folder.path())? else {
            continue;
        };
        eprintln!("{}", on.name());
        let campaign = campaign::run(options, *on, &place, folder.path());
        match runtime.block_on(campaign) {
            Ok(outcome) => {
                if !outcome.is_well() {
                    if let Some(log) = place.log() {
                        std::fs::write(folder.path().join("server.log"), log)?;
                    }
                    eprintln!("the papers are in {}", folder.keep().display());
                }
                outcomes.push(outcome);
            }
            Err(error) => {
                let papers = folder.keep();
                let papers = papers.display();
                return Err(error.context(format!("on {}; the papers are in {papers}", on.name())));
            }
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&outcomes)?);
    } else {
        outcome::print(&outcomes);
    }
    Ok(match outcomes.iter().all(outcome::Outcome::is_well) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
