//! axum and tonic on one port, with what their documentation leaves to its readers: on SIGTERM the health service says
//! NOT_SERVING, event streams end, and WebSockets are closed one after the other, each with a closing handshake.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;
use tonic_health::ServingStatus;

#[derive(Parser)]
struct Args {
    /// Address to serve on.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// How long everything is served on.
const LAME_DUCK: Duration = Duration::from_millis(900);
/// Between two WebSockets that are sent away.
const PACE: Duration = Duration::from_millis(40);

#[derive(Clone)]
struct Service {
    leaving: watch::Receiver<bool>,
    places: Arc<AtomicU32>,
    /// Held by every WebSocket.
    open: mpsc::Sender<()>,
}

impl Service {
    async fn leaving(&mut self) {
        // Fails only without a sender, which `main` holds.
        drop(self.leaving.wait_for(|leaving| *leaving).await);
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (tell, leaving) = watch::channel(false);
    let (open, mut all_closed) = mpsc::channel(1);
    let service = Service {
        leaving,
        places: Arc::default(),
        open,
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    let app = Routes::new(health).into_axum_router().merge(
        axum::Router::new()
            .route("/work", get(async || "done"))
            .route("/events", get(events))
            .route("/ws", get(ws))
            .with_state(service),
    );
    let listener = TcpListener::bind(Args::parse().listen).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stopped = async move {
        terminate.recv().await;
        reporter
            .set_service_status("", ServingStatus::NotServing)
            .await;
        tell.send_replace(true);
        tokio::time::sleep(LAME_DUCK).await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await?;
    // Every sender is gone when every WebSocket is.
    all_closed.recv().await;
    Ok(())
}

/// An event each 50 ms; the first says when to come back.
async fn events(
    State(service): State<Service>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let numbered = tokio_stream::iter(1u64..).then(move |number| {
        let mut service = service.clone();
        async move {
            tokio::select! {
                () = service.leaving() => None,
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    let event = Event::default().data(number.to_string());
                    Some(Ok(match number {
                        1 => event.retry(Duration::from_secs(2)),
                        _ => event,
                    }))
                }
            }
        }
    });
    Sse::new(numbered.map_while(|event| event))
}

async fn ws(State(service): State<Service>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| echo(socket, service))
}

async fn echo(mut socket: WebSocket, mut service: Service) {
    let _open = service.open.clone();
    let place = service.places.fetch_add(1, Ordering::Relaxed);
    let my_turn = async {
        service.leaving().await;
        tokio::time::sleep(PACE * place).await;
    };
    tokio::pin!(my_turn);
    loop {
        let message = tokio::select! {
            () = &mut my_turn => break,
            message = socket.recv() => message,
        };
        let Some(Ok(message)) = message else { return };
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
    let away = CloseFrame {
        code: close_code::AWAY,
        reason: "going".into(),
    };
    if socket.send(Message::Close(Some(away))).await.is_ok() {
        while let Some(Ok(_)) = socket.recv().await {}
    }
}
