//! `GET /ws`: a WebSocket that sends back what it gets.

use axum::response::Response;
use lameduck::websocket::{WebSocket, WebSocketUpgrade};

pub(crate) async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
