//! The shop: the reference service that every claim of lameduck is shown on. A library, so that
//! the `lameduck` command can carry it for its demonstration.
//!
//! | room | what is in it |
//! |---|---|
//! | `args` | the command line |
//! | `store` | orders in SQLite |
//! | `routes` | what it serves |
//! | `events` | the event stream |
//! | `serve` | the service's life |

mod args;
mod events;
mod routes;
mod serve;
mod store;

use std::ffi::OsString;

use clap::Parser;
use lameduck::Exit;

/// Runs the shop with these arguments, the first of which is the program's name.
pub async fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args = match args::Args::try_parse_from(args) {
        Ok(args) => args,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() {
                Exit::BAD_CONFIGURATION
            } else {
                Exit::CLEAN
            };
        }
    };
    match args.command {
        None => serve::run(args.serve).await,
        Some(args::Command::Ledger(place)) => match store::print_ledger(&place).await {
            Ok(()) => Exit::CLEAN,
            Err(e) => {
                eprintln!("shop: {e:#}");
                Exit::BAD_CONFIGURATION
            }
        },
    }
}
