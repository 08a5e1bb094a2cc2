//! What a WebSocket costs beside one of the bare protocol crate, to the byte: memory that is asked for and not given
//! back, so that no load of the machine and no allocator changes the figure.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use lameduck_core::{Lifecycle, Phase};
use lameduck_http::Http;
use lameduck_http::websocket::{WebSocket, WebSocketUpgrade};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it is the system's own, and only counts besides.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as of the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Opens one, on which a message has come back. It has no memory of this process.
fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 1];
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        stream.read_exact(&mut answer).unwrap();
        last.rotate_left(1);
        last[3] = answer[0];
    }
    // A text, masked by zeros.
    stream.write_all(b"\x81\x85\0\0\0\0hello").unwrap();
    let mut echo = [0; 7];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"\x81\x05hello");
    stream
}

/// Bytes for each of so many.
fn weigh(address: SocketAddr) -> usize {
    const N: usize = 200;
    let mut kept = Vec::with_capacity(2 * N);
    // What the first ones make the server set up once is not theirs.
    kept.extend((0..N).map(|_| open(address)));
    let before = HELD.load(Ordering::Relaxed);
    kept.extend((0..N).map(|_| open(address)));
    (HELD.load(Ordering::Relaxed) - before) / N
}

async fn ours() -> usize {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
    async fn ws(upgrade: WebSocketUpgrade) -> impl IntoResponse {
        upgrade.on_upgrade(echo)
    }
    let app = Router::new().route("/ws", any(ws));
    let life = Lifecycle::embedded().component(Http::new("api", "127.0.0.1:0", app));
    let handle = life.handle();
    tokio::spawn(life.run());
    handle.phases().reached(Phase::Ready).await;
    let address = handle.address("api").unwrap().parse().unwrap();
    tokio::task::spawn_blocking(move || weigh(address))
        .await
        .unwrap()
}

async fn bare() -> usize {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // As much as ours reads at once.
                let config = WebSocketConfig::default().read_buffer_size(8 * 1024);
                let socket = tokio_tungstenite::accept_async_with_config(stream, Some(config));
                let mut socket = socket.await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    tokio::task::spawn_blocking(move || weigh(address))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_websocket_costs_at_most_a_fifth_more_than_a_bare_one() {
    let (bare, ours) = (bare().await, ours().await);
    let ratio = ours as f64 / bare as f64;
    println!("{ours} bytes, bare {bare}: {ratio:.3}");
    assert!(ratio <= 1.2, "{ours} bytes, bare {bare}: {ratio:.3}");
}
