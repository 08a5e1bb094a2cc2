//! A relay in front of a server, to see how a client ends its connection.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a client ended its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Fin,
    Reset,
}

#[derive(Clone, Default)]
pub struct Relay {
    ends: Arc<Mutex<Vec<End>>>,
}

impl Relay {
    /// A relay to the server at `url`, and its own URL. Ends with the runtime.
    pub async fn to(url: &str) -> (Relay, String) {
        let (scheme, server) = url.split_once("://").unwrap();
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("{scheme}://{}", listener.local_addr().unwrap());
        let relay = Relay::default();
        let ends = relay.ends.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, server.clone(), ends.clone()));
            }
        });
        (relay, own)
    }

    pub fn ends(&self) -> Vec<End> {
        self.ends.lock().unwrap().clone()
    }
}

async fn pass(client: TcpStream, server: String, ends: Arc<Mutex<Vec<End>>>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    });
    let mut bytes = vec![0; 64 * 1024];
    let end = loop {
        match from_client.read(&mut bytes).await {
            Ok(0) => break End::Fin,
            Ok(n) if to_server.write_all(&bytes[..n]).await.is_err() => return,
            Ok(_) => {}
            Err(_) => break End::Reset,
        }
    };
    ends.lock().unwrap().push(end);
    let _ = to_server.shutdown().await;
}
