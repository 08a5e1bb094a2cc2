//! The shop: the reference service that every claim of lameduck is shown on. A library, so that
//! the `lameduck` command can carry it for its demonstration.
//!
//! | room | what is in it |
//! |---|---|
//! | `args` | the command line |
//! | `database` | SQLite or PostgreSQL |
//! | `store` | orders and receipts |
//! | `queue` | where the jobs are that send receipts |
//! | `outbox` | the way to a queue that is not beside the orders |
//! | `receipts` | sending them |
//! | `routes` | what it serves |
//! | `events`, `sockets` | the event stream, the WebSocket |
//! | `grpc` | the same orders over gRPC |
//! | `books` | what was sold, while no shop runs |
//! | `serve` | the service's life |

mod args;
mod books;
mod database;
mod events;
mod grpc;
mod outbox;
mod queue;
mod receipts;
mod routes;
mod serve;
mod sockets;
mod store;

pub use grpc::proto;

use std::ffi::OsString;
use std::pin::Pin;

use clap::Parser;
use lameduck::{BadConfiguration, Exit};

/// Runs the shop with these arguments, the first of which is the program's name.
pub async fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    boxed(args.into_iter().collect()).await
}

/// Neither generic nor `async`, or the whole shop would be compiled anew in each program that it is linked into.
#[inline(never)]
fn boxed(args: Vec<OsString>) -> Pin<Box<dyn Future<Output = Exit> + Send>> {
    Box::pin(parse_and_run(args))
}

async fn parse_and_run(args: Vec<OsString>) -> Exit {
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
        Some(args::Command::Ledger(place)) => match books::print(&place).await {
            Ok(()) => Exit::CLEAN,
            Err(e) => {
                eprintln!("shop: {e:#}");
                Exit::BAD_CONFIGURATION
            }
        },
    }
}

/// Something was asked for that this program was built without.
fn built_without(feature: &str) -> anyhow::Error {
    BadConfiguration::new(format!(
        "this program was built without the feature `{feature}`; \
         build it with `--features {feature}`, or with everything: `--features full`"
    ))
    .into()
}

/// An error of a queue's, as one of ours.
fn anyhow(error: lameduck::BoxError) -> anyhow::Error {
    anyhow::Error::from_boxed(error)
}
