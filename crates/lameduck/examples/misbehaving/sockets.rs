//! WebSockets, well-behaved and not.
//!
//! | route | does |
//! |---|---|
//! | `GET /ws` | sends back what it gets |
//! | `GET /ws/last` | the same, and is sent away after all others |
//! | `GET /ws/farewell` | the same, and says `farewell` before it goes |
//! | `GET /ws/busy` | does something else, and never looks at its socket |
//! | `GET /ws/late?ms=N` | looks at its socket N ms after it is told to leave; says how much came |
//! | `GET /ws/fragments?ms=N` | a message in ten fragments over N ms, then nothing |
//! | `GET /ws/big?bytes=N` | one message of N bytes, then nothing |
//! | `GET /ws/panic` | panics on the first message |

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use lameduck::websocket::{Message, WebSocket, WebSocketUpgrade};

pub fn router() -> Router {
    Router::new()
        .route("/ws", on(echo))
        .route("/ws/last", get(last))
        .route("/ws/farewell", on(farewell))
        .route("/ws/busy", on(busy))
        .route("/ws/late", get(late))
        .route("/ws/fragments", get(fragments))
        .route("/ws/big", get(big))
        .route("/ws/panic", on(panics))
}

fn on<F>(handler: fn(WebSocket) -> F) -> MethodRouter
where
    F: Future<Output = ()> + Send + 'static,
{
    get(async move |upgrade: WebSocketUpgrade| -> Response { upgrade.on_upgrade(handler) })
}

/// What may stand in a query.
#[derive(serde::Deserialize)]
struct Ask {
    #[serde(default)]
    ms: u64,
    #[serde(default)]
    bytes: usize,
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

async fn last(upgrade: WebSocketUpgrade) -> Response {
    upgrade.closes_last().on_upgrade(echo)
}

async fn farewell(mut socket: WebSocket) {
    let mut leaving = pin!(socket.leaving());
    loop {
        tokio::select! {
            () = &mut leaving => {
                // It may take its time for that.
                tokio::time::sleep(Duration::from_millis(200)).await;
                let _ = socket.send(Message::text("farewell")).await;
                return;
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let _ = socket.send(Message::Text(text)).await;
                }
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

async fn busy(_socket: WebSocket) {
    pending().await
}

async fn late(upgrade: WebSocketUpgrade, Query(ask): Query<Ask>) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        while let Some(Ok(message)) = socket.recv().await {
            match message {
                Message::Text(text) => {
                    // Everything else that comes has to wait.
                    tokio::time::sleep(Duration::from_millis(ask.ms)).await;
                    println!("late text {text}");
                }
                Message::Close(_) => println!("late close"),
                other => println!("late {other:?}"),
            }
        }
        println!("late none");
    })
}

async fn fragments(upgrade: WebSocketUpgrade, Query(ask): Query<Ask>) -> Response {
    const N: u64 = 10;
    upgrade.on_upgrade(move |mut socket| async move {
        for n in 0..N {
            let part = Message::text(format!("part {n} "));
            if socket.send_fragment(part, n + 1 == N).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(ask.ms / N)).await;
        }
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

async fn big(upgrade: WebSocketUpgrade, Query(ask): Query<Ask>) -> Response {
    upgrade.on_upgrade(move |mut socket| async move {
        let _ = socket.send(Message::binary(vec![b'b'; ask.bytes])).await;
        while let Some(Ok(_)) = socket.recv().await {}
    })
}

async fn panics(mut socket: WebSocket) {
    let message = socket.recv().await;
    assert!(message.is_none(), "a bug in the handler of a socket");
}
