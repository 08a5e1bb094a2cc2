//! Handlers that were written for axum's WebSockets compile with ours by another `use` line, and do the same.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use lameduck_core::{Exit, Lifecycle, Phase};
use lameduck_http::Http;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message as PeerMessage;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

mod with_axum {
    use super::*;
    use axum::extract::ws::{
        CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
    };

    include!("handlers.rs");
}

mod with_lameduck {
    use super::*;
    use lameduck_http::websocket::{
        CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
    };

    include!("handlers.rs");
}

type Peer = WebSocketStream<TcpStream>;

async fn open(address: &str, path: &str) -> Peer {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert("user-agent", "peer".parse().unwrap());
    headers.insert("sec-websocket-protocol", "v1, v2".parse().unwrap());
    // Not each of the handlers agrees on one, and a client must not mind.
    if path != "/split" {
        headers.remove("sec-websocket-protocol");
    }
    client_async(request, stream).await.unwrap().0
}

async fn text(peer: &mut Peer) -> String {
    loop {
        match peer.next().await.unwrap().unwrap() {
            PeerMessage::Text(text) => return text.to_string(),
            PeerMessage::Ping(_) => {}
            other => panic!("expected text, got {other:?}"),
        }
    }
}

/// What its peers hear from `app`.
async fn heard(app: Router) -> Vec<String> {
    let mut heard = Vec::new();
    let life = Lifecycle::embedded().component(Http::new("api", "127.0.0.1:0", app));
    let handle = life.handle();
    let running = tokio::spawn(life.run());
    handle.phases().reached(Phase::Ready).await;
    let address = handle.address("api").unwrap();

    let mut peer = open(&address, "/echo").await;
    for message in [PeerMessage::text("text"), PeerMessage::binary("bytes")] {
        peer.send(message).await.unwrap();
        heard.push(format!("{:?}", peer.next().await.unwrap().unwrap()));
    }
    peer.close(None).await.unwrap();
    while peer.next().await.is_some() {}

    let mut peer = open(&address, "/split").await;
    while let Some(Ok(message)) = peer.next().await {
        heard.push(format!("{message:?}"));
    }

    let mut alice = open(&address, "/chat").await;
    alice.send(PeerMessage::text("alice")).await.unwrap();
    heard.push(text(&mut alice).await);
    let mut other = open(&address, "/chat").await;
    other.send(PeerMessage::text("alice")).await.unwrap();
    heard.push(text(&mut other).await);
    let mut bob = open(&address, "/chat").await;
    bob.send(PeerMessage::text("bob")).await.unwrap();
    heard.push(text(&mut alice).await);
    bob.send(PeerMessage::text("hello")).await.unwrap();
    heard.push(text(&mut alice).await);
    for mut peer in [alice, bob] {
        peer.close(None).await.unwrap();
        while let Some(Ok(_)) = peer.next().await {}
    }
    drop(other);

    handle.shutdown("test");
    assert_eq!(running.await.unwrap(), Exit::CLEAN);
    heard
}

#[tokio::test]
async fn what_was_written_for_axum_does_the_same_here() {
    let ours = heard(with_lameduck::router()).await;
    assert_eq!(
        ours[..2],
        ["Text(Utf8Bytes(b\"text\"))", "Binary(b\"bytes\")"]
    );
    assert!(ours[3].contains("peer Some(\\\"v2\\\") 0"), "{ours:?}");
    assert_eq!(ours.last().unwrap(), "bob: hello");
    assert_eq!(ours, heard(with_axum::router()).await);
}
