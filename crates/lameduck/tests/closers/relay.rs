//! A relay in front of a server, to see how a client ends its connection.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a client ended its connection. A reset after the FIN is one too: something came that it did not
/// wait for.
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

/// How long what the server says is on its way, so that a client which does not wait for an answer
/// has closed before it comes.
const WAY: Duration = Duration::from_millis(2);

async fn pass(client: TcpStream, server: String, ends: Arc<Mutex<Vec<End>>>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from_server.read(&mut bytes).await {
            tokio::time::sleep(WAY).await;
            if to_client.write_all(&bytes[..n]).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    });
    let mut bytes = vec![0; 64 * 1024];
    let fin = loop {
        match from_client.read(&mut bytes).await {
            Ok(0) => break true,
            Ok(n) if to_server.write_all(&bytes[..n]).await.is_err() => return,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    let _ = to_server.shutdown().await;
    let _ = back.await;
    let reset_later = from_client.as_ref().take_error().unwrap().is_some();
    let end = if fin && !reset_later {
        End::Fin
    } else {
        End::Reset
    };
    ends.lock().unwrap().push(end);
}
