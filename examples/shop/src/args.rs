//! The command line. Each flag has its environment variable.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// A small shop that takes orders, and loses none when it is stopped.
#[derive(Debug, Parser)]
#[command(
    name = "shop",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        shop                                       serve on 127.0.0.1:8080, probes on :9090\n  \
        shop --data /var/lib/shop --grace 10s      keep the orders, stop within 10 s\n  \
        shop ledger --data /var/lib/shop           what is in the books when no shop runs"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: Serve,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Where to serve: an address, or unix:PATH.
    #[arg(
        long,
        env = "SHOP_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR"
    )]
    pub listen: String,
    /// Where to answer probes.
    #[arg(
        long,
        env = "SHOP_ADMIN",
        default_value = "127.0.0.1:9090",
        value_name = "ADDR"
    )]
    pub admin: String,
    /// Let a GET or POST of /drain on the probes' address stop the shop.
    #[arg(long, env = "SHOP_DRAIN_ROUTE")]
    pub drain_route: bool,
    /// From the signal to the end of the process.
    #[arg(long, env = "SHOP_GRACE", default_value = "30s", value_name = "DURATION",
          value_parser = humantime::parse_duration)]
    pub grace: Duration,
    #[command(flatten)]
    pub place: Place,
}

/// Where the orders are.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Place {
    /// The folder for the orders; a fresh temporary one unless given.
    #[arg(long, env = "SHOP_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the books as JSON, without a running shop: the accountant's way to look after a
    /// crash.
    Ledger(Place),
}
