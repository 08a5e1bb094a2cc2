//! A relay in front of a server, which stops to pass on what is said without ending a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Ends with the runtime.
pub struct Relay {
    /// The server's address, with that of the relay in its place.
    pub address: String,
    connections: Arc<Connections>,
}

/// Connections by their number, from 1 on.
#[derive(Default)]
struct Connections {
    accepted: AtomicU64,
    /// What the server says on connections up to this one is lost.
    mute: AtomicU64,
    /// What anybody says on connections up to this one is lost.
    cut: AtomicU64,
}

impl Relay {
    /// In front of the server at `address`, which has a `127.0.0.1` and a port in it.
    pub async fn to(address: &str) -> Relay {
        let (before, rest) = address.split_once("127.0.0.1:").expect("a local address");
        let port = rest.find(|c: char| !c.is_ascii_digit());
        let (port, after) = rest.split_at(port.unwrap_or(rest.len()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("it is bound");
        let connections = Arc::new(Connections::default());
        tokio::spawn(accept(
            listener,
            port.parse().expect("a port"),
            connections.clone(),
        ));
        Relay {
            address: format!("{before}{own}{after}"),
            connections,
        }
    }

    /// From now on nothing that the server says arrives on the connections that there are.
    pub fn mute(&self) {
        let accepted = self.connections.accepted.load(Ordering::SeqCst);
        self.connections.mute.store(accepted, Ordering::SeqCst);
    }

    /// From now on nothing arrives, on whatever connection.
    pub fn cut(&self) {
        self.connections.cut.store(u64::MAX, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, port: u16, connections: Arc<Connections>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = connections.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let way = |from, to, mutes| pass(from, to, number, mutes, connections.clone());
        tokio::spawn(way(from_client, to_server, false));
        tokio::spawn(way(from_server, to_client, true));
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    mutes: bool,
    connections: Arc<Connections>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let cut = number <= connections.cut.load(Ordering::SeqCst);
        let mute = mutes && number <= connections.mute.load(Ordering::SeqCst);
        if !cut && !mute && to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
    if number > connections.cut.load(Ordering::SeqCst) {
        let _ = to.shutdown().await;
    } else {
        // Nobody learns of the end either.
        std::future::pending::<()>().await;
    }
}
