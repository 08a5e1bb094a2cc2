//! What the recipes in `src/bin` have in common: the command line, and an application.
//!
//! Each recipe serves the same routes by another server, as a part of a lifecycle; with `--plain` by
//! the server alone, as its own documentation stops it. `docs/servers.md` says what the prover makes
//! of each.

pub mod app;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use clap::Parser;
use lameduck::{Lifecycle, Probes};

/// The command line of every recipe.
#[derive(Debug, Parser)]
pub struct Args {
    /// Where to serve.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where to answer probes.
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub admin: String,
    /// Serve without lameduck, for comparison.
    #[arg(long)]
    pub plain: bool,
}

impl Args {
    /// A listener for whichever server: bound before the process says that it is ready.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn listener(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.listen)
    }
}

/// The lifecycle that all recipes begin with.
///
/// The servers here close idle connections in the moment in which they are told to stop. So they are
/// told after a lame-duck phase, also where there is no load balancer that needs one: by then
/// whoever was at work has read `Connection: close`, and has gone elsewhere.
pub fn lifecycle(admin: &str) -> Lifecycle {
    let second = Duration::from_secs(1);
    Lifecycle::new()
        .lame_duck(second)
        .probes(Probes::new(admin))
}

/// Completes on SIGTERM or Ctrl-C: what the documentation of each server waits for.
///
/// # Cancel safety
///
/// Cancel safe.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// What is written for those who come from something else, and for what services have, compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrating.md")]
#[doc = include_str!("../../../docs/recipes.md")]
struct Written;
