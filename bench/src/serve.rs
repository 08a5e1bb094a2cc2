//! The two servers under measurement: one `Router`, served by axum alone and by lameduck.
//!
//! The bench binary starts itself again as one of them (a hidden subcommand), so that each has a
//! process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::Query;
use axum::routing::get;
use clap::{Args, ValueEnum};
use lameduck::{LameDuck, Lifecycle};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// A lameduck lifecycle without a lame-duck phase.
    Lameduck,
    /// `axum::serve` with `with_graceful_shutdown`.
    Axum,
}

/// Options of the hidden `serve`.
#[derive(Args)]
pub struct Options {
    /// Which server to be
    #[arg(value_enum)]
    server: Server,

    /// Where to serve
    listen: SocketAddr,
}

/// Serves until SIGTERM, or until the bench that started it is gone.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to end together with the bench")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(async {
        match options.server {
            Server::Lameduck => Ok(serve_lameduck(options.listen).await),
            Server::Axum => serve_axum(options.listen).await,
        }
    })
}

#[derive(Deserialize)]
struct Work {
    #[serde(default)]
    ms: u64,
}

fn router() -> Router {
    Router::new().route("/", get(async || "ok")).route(
        "/work",
        get(async |Query(work): Query<Work>| {
            tokio::time::sleep(Duration::from_millis(work.ms)).await;
            "done"
        }),
    )
}

async fn serve_lameduck(listen: SocketAddr) -> ExitCode {
    let exit = Lifecycle::new()
        .lame_duck(LameDuck::Off)
        .http("bench", listen, router())
        .run()
        .await;
    ExitCode::from(exit.code())
}

async fn serve_axum(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    axum::serve(listener, router())
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
        .context("axum::serve")?;
    Ok(ExitCode::SUCCESS)
}
