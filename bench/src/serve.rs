//! The servers under measurement: one `Router`, served by lameduck, by axum and by hyper-util alone; and what
//! does the same without hyper.
//!
//! The bench binary starts itself again as one of them (a hidden subcommand), so that each has a
//! process of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum_server::tls_rustls::RustlsConfig;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use lameduck::websocket::{WebSocket, WebSocketUpgrade};
use lameduck::{Http, LameDuck, Lifecycle, Tls};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::certificate::{cert, key};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// A lameduck lifecycle without a lame-duck phase.
    Lameduck,
    /// `axum::serve` with `with_graceful_shutdown`; `axum-server` for TLS, which that cannot speak.
    Axum,
    /// The connections of `hyper-util` in an accept loop, as its documentation has it.
    HyperUtil,
    /// actix-web, which has its own HTTP/1.1 instead of hyper's. It answers `/` only.
    ActixWeb,
    /// A WebSocket echo of `tokio-tungstenite`, and nothing else.
    Tungstenite,
}

impl Server {
    /// As the command line has it.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Options of the hidden `serve`.
#[derive(Args)]
pub struct Options {
    /// Which server to be
    #[arg(value_enum)]
    server: Server,

    /// Where to serve
    listen: SocketAddr,

    /// The folder of the certificate, to speak TLS
    #[arg(long, value_name = "DIR")]
    tls: Option<PathBuf>,

    /// How long a peer may take to its first byte
    #[arg(long, value_parser = humantime::parse_duration)]
    first_byte: Option<Duration>,

    /// Threads that serve; by default as many as there are cores
    #[arg(long)]
    threads: Option<usize>,
}

/// Serves until SIGTERM, or until the bench that started it is gone.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot ask to end together with the bench")?;
    if options.server == Server::ActixWeb {
        // It starts a runtime for each of its threads itself.
        return serve_actix_web(options);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(async {
        match options.server {
            Server::Lameduck => Ok(serve_lameduck(options).await),
            Server::Axum => match &options.tls {
                None => serve_axum(options.listen).await,
                Some(folder) => serve_axum_server(options.listen, folder).await,
            },
            Server::HyperUtil => serve_hyper_util(options.listen).await,
            Server::ActixWeb => bail!("actix-web starts its own runtime"),
            Server::Tungstenite => serve_tungstenite(options.listen).await,
        }
    })
}

#[derive(Deserialize)]
struct Work {
    #[serde(default)]
    ms: u64,
}

/// The same for both servers of WebSockets: what lameduck has them read at once.
fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(8 * 1024)
}

/// Ends by the signal itself: how it stops is not measured.
async fn serve_tungstenite(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let config = Some(websocket_config());
            let mut socket = tokio_tungstenite::accept_async_with_config(stream, config).await?;
            while let Some(message) = socket.next().await {
                let message = message?;
                if message.is_text() {
                    socket.send(message).await?;
                }
            }
            anyhow::Ok(())
        });
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

static BIG: [u8; 16 << 20] = [0; 16 << 20];

/// Ten of 30 KB, one after the other.
async fn chunks() -> Body {
    const CHUNK: Bytes = Bytes::from_static(&[b'c'; 30_000]);
    Body::from_stream(futures_util::stream::iter(
        (0..10).map(|_| Ok::<_, Infallible>(CHUNK)),
    ))
}

async fn events() -> Response {
    let events = futures_util::stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, Infallible>("data: event\n\n"), ()))
    });
    let kind = [("content-type", "text/event-stream")];
    (kind, Body::from_stream(events)).into_response()
}

/// The same routes whoever serves them: how long it takes to find one depends on the others.
fn router(ws: MethodRouter) -> Router {
    let work = async |Query(work): Query<Work>| {
        tokio::time::sleep(Duration::from_millis(work.ms)).await;
        "done"
    };
    let big = any(async || Bytes::from_static(&BIG));
    Router::new()
        .route("/", get(async || "ok"))
        .route("/work", get(work))
        .route("/orders", post(async |_: Bytes| StatusCode::CREATED))
        .route("/ws", ws)
        .route("/big", big)
        .route("/chunks", get(chunks))
        .route("/sink", post(async |_: Bytes| "swallowed"))
        .route("/events", get(events))
}

fn router_of_lameduck() -> Router {
    router(get(async |upgrade: WebSocketUpgrade| -> Response {
        upgrade.on_upgrade(echo)
    }))
}

/// Without WebSockets.
fn router_of_neighbour() -> Router {
    router(get(async || StatusCode::NOT_IMPLEMENTED))
}

async fn serve_lameduck(options: &Options) -> ExitCode {
    let mut http = Http::new("bench", options.listen, router_of_lameduck());
    if let Some(folder) = &options.tls {
        http = http.tls(Tls::files(cert(folder), key(folder)));
    }
    if let Some(timeout) = options.first_byte {
        http = http.first_byte_timeout(timeout);
    }
    let life = Lifecycle::new().lame_duck(LameDuck::Off).component(http);
    let exit = life.run().await;
    ExitCode::from(exit.code())
}

async fn serve_axum(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    axum::serve(listener, router_of_neighbour())
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
        .context("axum::serve")?;
    Ok(ExitCode::SUCCESS)
}

/// Ends by the signal itself: how it stops is not measured.
async fn serve_hyper_util(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    let service = TowerToHyperService::new(router_of_neighbour());
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await
        });
    }
}

fn serve_actix_web(options: &Options) -> anyhow::Result<ExitCode> {
    /// Between two rounds a connection is idle, for longer than the 5 s that are its default.
    const KEEP_ALIVE: Duration = Duration::from_secs(600);

    actix_web::rt::System::new().block_on(async {
        let mut server = HttpServer::new(|| App::new().route("/", web::get().to(async || "ok")))
            .keep_alive(KEEP_ALIVE);
        if let Some(threads) = options.threads {
            server = server.workers(threads);
        }
        let server = server.bind(options.listen);
        let server = server.with_context(|| format!("cannot listen on {}", options.listen))?;
        server.run().await.context("actix-web")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Ends by the signal itself: how it stops is not measured.
async fn serve_axum_server(listen: SocketAddr, folder: &Path) -> anyhow::Result<ExitCode> {
    let tls = RustlsConfig::from_pem_file(cert(folder), key(folder))
        .await
        .context("cannot read the certificate")?;
    axum_server::bind_rustls(listen, tls)
        .serve(router_of_neighbour().into_make_service())
        .await
        .context("axum-server")?;
    Ok(ExitCode::SUCCESS)
}
