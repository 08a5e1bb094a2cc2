//! Strict clients of one service: every request that was wholly sent wants its whole answer.
//!
//! They do not ask anything of the service that it could not do within a second, and each of them goes on until
//! it is refused: to be refused is honest. On a connection that it reuses a client looks for a FIN first, as real
//! pools do.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_util::either::Either;

/// Where clients connect.
#[derive(Clone, Debug)]
pub enum Dial {
    /// A port.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
}

type Stream = Either<TcpStream, UnixStream>;

impl Dial {
    /// A new connection.
    async fn connect(&self) -> io::Result<Stream> {
        Ok(match self {
            Dial::Tcp(address) => Either::Left(TcpStream::connect(address).await?),
            Dial::Unix(path) => Either::Right(UnixStream::connect(path).await?),
        })
    }

    /// Whether anybody listens.
    pub async fn answers(&self) -> bool {
        self.connect().await.is_ok()
    }
}

/// What came of it.
#[derive(Default)]
pub struct Counts {
    /// Whole answers.
    pub served: AtomicU64,
    /// What happened instead of each other one.
    lost: Mutex<Vec<String>>,
    /// When the first signal was sent.
    pub signalled: OnceLock<Instant>,
    /// Set when the process is gone: nobody begins anything new.
    pub over: AtomicBool,
}

impl Counts {
    fn lost(&self, what: String) {
        let when = self.signalled.get().map_or_else(
            || "before the signal".to_owned(),
            |it| format!("{:.2} s after the signal", it.elapsed().as_secs_f64()),
        );
        let what = format!("{what}, {when}");
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.push(what);
    }

    /// What happened to those requests that have no whole answer.
    pub fn take_lost(&self) -> Vec<String> {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *lost)
    }
}

/// How a client goes about it.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// One connection for request after request, with a pause in between.
    Keeps,
    /// A connection for each.
    Connects,
    /// The same, each taking a while.
    Slow,
    /// An answer in ten chunks.
    Streams,
    /// A request in ten pieces.
    Uploads,
}

const CLIENTS: [(Manner, usize); 5] = [
    (Manner::Keeps, 6),
    (Manner::Connects, 3),
    (Manner::Slow, 4),
    (Manner::Streams, 3),
    (Manner::Uploads, 3),
];

/// All clients, until each has ended.
pub async fn run(dial: &Dial, counts: &std::sync::Arc<Counts>, seed: u64) {
    let mut clients = JoinSet::new();
    let mut number = 0;
    for (manner, count) in CLIENTS {
        for _ in 0..count {
            number += 1;
            let (dial, counts) = (dial.clone(), counts.clone());
            let random = StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(number));
            clients.spawn(async move { client(manner, &dial, &counts, random).await });
        }
    }
    while clients.join_next().await.is_some() {}
}

async fn client(manner: Manner, dial: &Dial, counts: &Counts, mut random: StdRng) {
    let mut kept: Option<Stream> = None;
    while !counts.over.load(Ordering::Relaxed) {
        let reused = kept.take().filter(is_open);
        let is_reused = reused.is_some();
        let mut stream = match reused {
            Some(stream) => stream,
            None => match dial.connect().await {
                Ok(stream) => stream,
                // A path that is gone is as honest as a port where nobody listens.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                    ) =>
                {
                    return;
                }
                Err(error) => return counts.lost(format!("{manner:?}: cannot connect: {error}")),
            },
        };
        match ask(manner, &mut stream).await {
            Ok(goes_on) => {
                counts.served.fetch_add(1, Ordering::Relaxed);
                kept = goes_on.then_some(stream);
            }
            Err(what) => {
                let connection = if is_reused { "reused" } else { "fresh" };
                counts.lost(format!("{manner:?}, {connection}: {what}"));
            }
        }
        let pause = Duration::from_millis(random.random_range(0..20));
        tokio::time::sleep(pause).await;
    }
}

/// Whether nothing has come, not even an end.
fn is_open(stream: &Stream) -> bool {
    let fd = match stream {
        Either::Left(it) => it.as_fd(),
        Either::Right(it) => it.as_fd(),
    };
    let mut byte = [0; 1];
    let seen = recv(fd, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    seen.is_err_and(|error| error == rustix::io::Errno::AGAIN)
}

/// One request; whether the connection may be used again, or what came instead of the whole answer.
async fn ask(manner: Manner, stream: &mut Stream) -> Result<bool, String> {
    let close = matches!(manner, Manner::Keeps | Manner::Streams);
    let head = |line: &str, more: &str| {
        let connection = if close { "" } else { "connection: close\r\n" };
        format!("{line} HTTP/1.1\r\nhost: bench\r\n{connection}{more}\r\n")
    };
    let request = match manner {
        Manner::Keeps | Manner::Connects => head("GET /work?ms=5", ""),
        Manner::Slow => head("GET /work?ms=700", ""),
        Manner::Streams => head("GET /stream?ms=500", ""),
        Manner::Uploads => head("POST /upload", "content-length: 1000\r\n"),
    };
    let mut written = stream.write_all(request.as_bytes()).await;
    if let Manner::Uploads = manner {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            written = written.and(stream.write_all(&[b'u'; 100]).await);
        }
    }
    // Even so there may be an answer.
    let answer = Answer::read(stream).await.map_err(|what| match written {
        Ok(()) => what,
        Err(error) => format!("cannot send: {error}, and {what}"),
    })?;
    match answer.status {
        200 => Ok(!answer.says_close),
        status => Err(format!("answered {status}")),
    }
}

/// A whole answer.
struct Answer {
    status: u16,
    says_close: bool,
}

impl Answer {
    async fn read(stream: &mut Stream) -> Result<Answer, String> {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = Answer::parse(&bytes)? {
                return Ok(answer);
            }
            match stream.read_buf(&mut bytes).await {
                Ok(0) if bytes.is_empty() => return Err("closed without an answer".to_owned()),
                Ok(0) => return Err(format!("closed after {} bytes of its answer", bytes.len())),
                Ok(_) => {}
                Err(error) => return Err(format!("{error} after {} bytes", bytes.len())),
            }
        }
    }

    /// `None` while something is missing.
    fn parse(bytes: &[u8]) -> Result<Option<Answer>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("no answer of HTTP: {error}")),
        };
        let header = |name: &str| {
            let found = head
                .headers
                .iter()
                .find(|it| it.name.eq_ignore_ascii_case(name));
            found.map(|it| String::from_utf8_lossy(it.value).to_ascii_lowercase())
        };
        let body = &bytes[length..];
        let is_whole = match header("content-length").and_then(|it| it.parse::<usize>().ok()) {
            Some(length) => body.len() >= length,
            None if header("transfer-encoding").is_some() => body.ends_with(b"0\r\n\r\n"),
            None => return Err("an answer without a length".to_owned()),
        };
        let answer = Answer {
            status: head.code.unwrap_or_default(),
            says_close: header("connection").is_some_and(|it| it.contains("close")),
        };
        Ok(is_whole.then_some(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte_and_not_before() {
        let plain = &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok"[..];
        let chunks =
            &b"HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"[..];
        for (bytes, status, says_close) in [(plain, 200, true), (chunks, 503, false)] {
            for end in 0..bytes.len() {
                assert!(Answer::parse(&bytes[..end]).unwrap().is_none(), "{end}");
            }
            let answer = Answer::parse(bytes).unwrap().unwrap();
            assert_eq!((answer.status, answer.says_close), (status, says_close));
        }
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
