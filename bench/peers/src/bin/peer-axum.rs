//! axum as its documentation writes it: `axum::serve` with `with_graceful_shutdown` on Ctrl-C and SIGTERM.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Query};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use clap::Parser;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal;
use tokio_stream::{Stream, StreamExt};

#[derive(Parser)]
struct Args {
    /// Address to serve on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

#[derive(Deserialize)]
struct Takes {
    #[serde(default)]
    ms: u64,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/work", get(work))
        .route("/upload", post(upload).layer(DefaultBodyLimit::disable()))
        .route("/stream", get(stream))
        .route("/events", get(events))
        .route("/ws", get(ws));
    let listener = TcpListener::bind(Args::parse().listen).await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown_signal())
        .await
}

async fn shutdown_signal() {
    let ctrl_c = async {
        signal::ctrl_c()
            .await
            .expect("failed to install Ctrl+C handler");
    };
    let terminate = async {
        signal::unix::signal(signal::unix::SignalKind::terminate())
            .expect("failed to install signal handler")
            .recv()
            .await;
    };
    tokio::select! {
        () = ctrl_c => {},
        () = terminate => {},
    }
}

async fn work(Query(takes): Query<Takes>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(takes.ms)).await;
    "done"
}

async fn upload(body: Bytes) -> String {
    body.len().to_string()
}

/// Ten chunks over the time asked for.
async fn stream(Query(takes): Query<Takes>) -> Body {
    let pause = Duration::from_millis(takes.ms / 10);
    let chunks = tokio_stream::iter(0..10).then(move |number| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Infallible>(format!("chunk {number}\n"))
    });
    Body::from_stream(chunks)
}

/// An event each 50 ms, for ever.
async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(tokio_stream::iter(1u64..).then(async |number| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Event::default().data(number.to_string()))
    }))
}

async fn ws(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}
