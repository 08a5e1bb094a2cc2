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
        shop --tls-cert tls.crt --tls-key tls.key  HTTPS instead of HTTP\n  \
        shop --database postgres://localhost/shop  orders and receipts' jobs in PostgreSQL\n  \
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
    /// Speak TLS on that address, with this certificate chain (PEM); read again when it changes.
    #[arg(long, env = "SHOP_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, env = "SHOP_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
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
    /// How many receipts are sent at the same time.
    #[arg(long, env = "SHOP_WORKERS", default_value_t = 16, value_name = "N")]
    pub workers: usize,
    #[command(flatten)]
    pub place: Place,
}

/// Where the orders are, and the jobs to send their receipts.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Place {
    /// The folder for the orders; a fresh temporary one unless given.
    #[arg(
        long,
        env = "SHOP_DATA",
        value_name = "DIR",
        conflicts_with = "database"
    )]
    pub data: Option<PathBuf>,
    /// Keep the orders in PostgreSQL (postgres://…) instead.
    #[arg(long, env = "SHOP_DATABASE", value_name = "URL")]
    pub database: Option<String>,
    /// Where the jobs are: beside the orders unless given.
    #[arg(long, env = "SHOP_QUEUE", value_name = "URL")]
    pub queue: Option<String>,
    /// How long the jobs of a shop that is gone without a word stay its own; at least 3s.
    #[arg(long, env = "SHOP_LEASE", default_value = "15s", value_name = "DURATION",
          value_parser = humantime::parse_duration)]
    pub lease: Duration,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the books as JSON, without a running shop: the accountant's way to look after a
    /// crash.
    Ledger(Place),
}
