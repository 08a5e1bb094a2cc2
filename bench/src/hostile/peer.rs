//! Peers that do not play along: each goes as far as it goes, and then does nothing, for ever.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::ValueEnum;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::certificate::Certificate;
use crate::client::Connection;

/// What is kept of a peer.
pub enum Kept {
    /// Its connection, which nobody looks at any more.
    Connection {
        /// Closed when it is dropped.
        _it: Box<dyn Any + Send>,
    },
    /// What it still waits for, and is owed.
    Owed(JoinHandle<anyhow::Result<()>>),
}

impl Kept {
    fn connection(it: impl Any + Send) -> Kept {
        Kept::Connection { _it: Box::new(it) }
    }
}

/// How long a peer over HTTP/2 looks after its connection.
const LOOKS: Duration = Duration::from_millis(300);

/// A way not to play along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// Connects, and says nothing
    Silent,
    /// The same, and the server is not stopped before it has sent it away
    SilentWhileReady,
    /// Sends its request and ends its side, over HTTP/1.0 and 1.1, and waits for its answer
    HalfClosed,
    /// Never ends the head of its request
    HalfHead,
    /// Never ends its upload
    HalfBody,
    /// Asks for 16 MiB, and never reads
    NeverReads,
    /// Asks for ten chunks of 30 KB, and reads no more than the head of its answer
    StreamUnread,
    /// Never closes, though it was answered and sent a FIN
    NeverCloses,
    /// Never reads its event stream
    EventsNeverRead,
    /// Never begins its TLS handshake
    TlsSilent,
    /// Never ends its TLS handshake
    TlsHalfHandshake,
    /// Asks for 16 MiB over TLS, and never reads
    TlsNeverReads,
    /// Never closes, though it was answered and sent a close_notify
    TlsNeverCloses,
    /// Says it speaks HTTP/2, and no more
    Http2Silent,
    /// Never ends its request
    Http2HalfBody,
    /// Asks for 16 MiB, and opens no window
    Http2NeverReads,
    /// Never leaves, though it was told GOAWAY
    Http2NeverCloses,
    /// Never ends its call
    GrpcHalfCall,
    /// Never takes what its call brings
    GrpcNeverReads,
    /// Never answers a Close frame
    WebsocketNeverCloses,
    /// Never takes the echoes of what it sends
    WebsocketNeverReads,
    /// Never ends its frame
    WebsocketHalfFrame,
}

impl Peer {
    /// Whether its server speaks TLS.
    pub fn over_tls(self) -> bool {
        use Peer::*;
        matches!(
            self,
            TlsSilent | TlsHalfHandshake | TlsNeverReads | TlsNeverCloses
        )
    }

    /// Whether the server has to name it when it ends.
    pub fn is_to_be_named(self) -> bool {
        self == Peer::StreamUnread
    }

    /// How long its server lets a connection say nothing, if that is what it is about, so that it can be waited for.
    pub fn first_byte(self) -> Option<Duration> {
        (self == Peer::SilentWhileReady).then_some(Duration::from_secs(2))
    }

    /// How long its server goes on serving after the signal.
    pub fn lame_duck(self) -> &'static str {
        match self {
            Peer::HalfClosed => "500ms",
            _ => "off",
        }
    }

    /// Connects, and goes as far as it goes. `number` tells it from the others.
    pub async fn open(
        self,
        number: u32,
        address: SocketAddr,
        certificate: &Certificate,
    ) -> anyhow::Result<Kept> {
        if self == Peer::HalfClosed {
            let connection = Connection::open(address).await?;
            return Ok(Kept::Owed(tokio::spawn(half_closed(connection, number))));
        }
        let mut stream = connect(address).await?;
        match self {
            Peer::SilentWhileReady => return Ok(Kept::Owed(tokio::spawn(sent_away(stream)))),
            Peer::StreamUnread => {
                stream.write_all(get("/chunks").as_bytes()).await?;
                let mut head = [0; 64];
                stream.read_exact(&mut head).await?;
                ensure!(head.starts_with(b"HTTP/1.1 200 "), "not answered");
            }
            Peer::Silent | Peer::TlsSilent | Peer::HalfClosed => {}
            Peer::HalfHead => stream.write_all(b"GET / HTTP/1.1\r\nhost: be").await?,
            Peer::HalfBody => {
                let head = b"POST /sink HTTP/1.1\r\nhost: bench\r\ncontent-length: 100\r\n\r\nhalf";
                stream.write_all(head).await?;
            }
            Peer::NeverReads => stream.write_all(get("/big").as_bytes()).await?,
            Peer::EventsNeverRead => stream.write_all(get("/events").as_bytes()).await?,
            Peer::NeverCloses => answered(&mut stream).await?,
            Peer::TlsHalfHandshake => {
                // A record of 512 bytes that is a ClientHello, as far as it has come.
                stream
                    .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                    .await?;
            }
            Peer::TlsNeverReads | Peer::TlsNeverCloses => {
                let (connector, name) = certificate.client();
                let mut stream = connector.connect(name, stream).await?;
                match self {
                    Peer::TlsNeverReads => stream.write_all(get("/big").as_bytes()).await?,
                    _ => answered(&mut stream).await?,
                }
                return Ok(Kept::connection(stream));
            }
            Peer::Http2Silent => {
                stream
                    .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                    .await?
            }
            Peer::Http2HalfBody => return http2(stream, "POST", "/sink", None).await,
            Peer::Http2NeverReads => return http2(stream, "GET", "/big", None).await,
            Peer::Http2NeverCloses => return http2(stream, "GET", "/", None).await,
            Peer::GrpcHalfCall => return http2(stream, "POST", "/sink", GRPC).await,
            Peer::GrpcNeverReads => return http2(stream, "POST", "/big", GRPC).await,
            Peer::WebsocketNeverCloses => websocket(&mut stream).await?,
            Peer::WebsocketHalfFrame => {
                websocket(&mut stream).await?;
                stream.write_all(b"\x81\x85\0\0").await?;
            }
            Peer::WebsocketNeverReads => {
                websocket(&mut stream).await?;
                // Until no more is taken, because the echoes are not.
                let _ = tokio::time::timeout(Duration::from_millis(500), async {
                    let mut message = b"\x81\xfe\xff\xff\0\0\0\0".to_vec();
                    message.resize(message.len() + 0xffff, b'x');
                    while stream.write_all(&message).await.is_ok() {}
                })
                .await;
            }
        }
        Ok(Kept::connection(stream))
    }
}

/// Whether the server ends it in good order.
async fn sent_away(mut stream: TcpStream) -> anyhow::Result<()> {
    match stream.read(&mut [0; 64]).await {
        Ok(0) => Ok(()),
        Ok(n) => bail!("{n} bytes came, though nothing was asked"),
        Err(error) => Err(error.into()),
    }
}

/// A request of the kind that is under way when the signal comes, as [`half_closing`] has it.
async fn half_closed(mut connection: Connection, number: u32) -> anyhow::Result<()> {
    let request = half_closing("/work?ms=1200", number);
    connection.ask_and_end(&request).await.map(drop)
}

/// A request behind which its client ends its side; every second one is of HTTP/1.0.
pub fn half_closing(path: &str, number: u32) -> Vec<u8> {
    let version = number % 2;
    format!("GET {path} HTTP/1.{version}\r\nhost: bench\r\n\r\n").into_bytes()
}

const GRPC: Option<&str> = Some("application/grpc");

/// With small buffers, so that what nobody reads is soon noticed.
async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    Ok(socket.connect(address).await?)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n")
}

async fn answered(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> anyhow::Result<()> {
    stream.write_all(get("/").as_bytes()).await?;
    let mut answer = [0; 1024];
    ensure!(stream.read(&mut answer).await? > 0, "no answer");
    Ok(())
}

async fn websocket(stream: &mut TcpStream) -> anyhow::Result<()> {
    let head = "GET /ws HTTP/1.1\r\nhost: bench\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let mut answer = [0; 1024];
    let read = stream.read(&mut answer).await?;
    ensure!(answer[..read].starts_with(b"HTTP/1.1 101 "), "no upgrade");
    Ok(())
}

/// Sends a request without its end (for `GET`, with it), and then looks at nothing any more.
async fn http2(
    stream: TcpStream,
    method: &str,
    path: &str,
    kind: Option<&str>,
) -> anyhow::Result<Kept> {
    let (mut send, mut connection) = h2::client::handshake(stream).await?;
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("http://bench{path}"));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let call = send.send_request(request.body(())?, method == "GET")?;
    // That it goes on is what is expected of it here.
    let _ = tokio::time::timeout(LOOKS, &mut connection).await;
    Ok(Kept::connection((send, call, connection)))
}
