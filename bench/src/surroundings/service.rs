//! The service that is put into odd surroundings: a hidden subcommand, with a log that may misbehave.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::routing::{get, post};
use clap::{Args, ValueEnum};
use lameduck::{Http, Lifecycle};
use serde::Deserialize;

/// Nobody may be stuck with a service that was put where it does not end.
const LIFETIME: Duration = Duration::from_secs(60);

/// Options of the hidden `surrounded`.
#[derive(Args)]
pub struct Options {
    /// Where to serve
    #[arg(long)]
    listen: String,

    /// The folder of this trial
    #[arg(long)]
    folder: PathBuf,

    /// What becomes of what is logged
    #[arg(long, value_enum, default_value_t = Log::None)]
    log: Log,

    /// The grace, where no variable can say it
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    grace: Duration,
}

/// A subscriber of `tracing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    /// There is none.
    None,
    /// Lines on standard error.
    Stderr,
    /// Lines on standard output.
    Stdout,
    /// By `eprintln!`, which panics where standard error cannot be written.
    Prints,
    /// Blocks for ever, once the folder has a file [`TROUBLE`].
    Blocks,
    /// Panics, once the folder has a file [`TROUBLE`].
    Panics,
}

/// The file that begins the trouble with the log.
pub const TROUBLE: &str = "trouble";

/// Is the service, until it is stopped.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    thread::spawn(|| {
        thread::sleep(LIFETIME);
        std::process::exit(99);
    });
    let trouble = options.folder.join(TROUBLE);
    match options.log {
        Log::None => {}
        Log::Stderr => lines(io::stderr),
        Log::Stdout => lines(io::stdout),
        log => lines(move || Troubled {
            log,
            begins: trouble.clone(),
        }),
    }
    let life = Lifecycle::new().grace(options.grace);
    let exit = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start a runtime")?
        .block_on(live(life, options));
    Ok(ExitCode::from(exit.code()))
}

fn lines<W: Write + 'static>(writer: impl Fn() -> W + Send + Sync + 'static) {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_ansi(false)
        .with_writer(writer)
        .init();
}

async fn live(life: Lifecycle, options: &Options) -> lameduck::Exit {
    life.component(Http::new("api", options.listen.as_str(), router()))
        .task("ticker", |handle| async move {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            while handle.phase() < lameduck::Phase::Draining {
                tick.tick().await;
            }
            Ok::<_, Infallible>(())
        })
        .close_with("closer", || async { Ok::<_, Infallible>(()) })
        .run()
        .await
}

/// A log that misbehaves.
struct Troubled {
    log: Log,
    begins: PathBuf,
}

impl Write for Troubled {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.log {
            Log::Prints => eprintln!("{}", String::from_utf8_lossy(bytes).trim_end()),
            Log::Blocks if is_there(&self.begins) => loop {
                thread::park();
            },
            Log::Panics if is_there(&self.begins) => panic!("the log panics"),
            _ => {}
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_there(file: &Path) -> bool {
    fs::exists(file).unwrap_or(false)
}

/// What may stand in a query.
#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    ms: u64,
}

/// The shop's routes of these names, so that the same clients fit both.
fn router() -> Router {
    Router::new()
        .route(
            "/work",
            get(async |Query(ask): Query<Ask>| {
                tokio::time::sleep(Duration::from_millis(ask.ms)).await;
                "done"
            }),
        )
        .route("/stream", get(ten_chunks))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/spawn-blocking", get(spawn_blocking))
}

async fn ten_chunks(Query(ask): Query<Ask>) -> Body {
    let pause = Duration::from_millis(ask.ms) / 10;
    Body::from_stream(futures_util::stream::unfold(0, move |n| async move {
        if n == 10 {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((
            Ok::<_, Infallible>(Bytes::from(format!("chunk {n}\n"))),
            n + 1,
        ))
    }))
}

async fn spawn_blocking() -> &'static str {
    drop(tokio::task::spawn_blocking(|| {
        loop {
            thread::park();
        }
    }));
    "it will never return"
}
