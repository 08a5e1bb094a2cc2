//! A client that costs as little as possible: one connection, requests written from a constant,
//! answers parsed once and then only counted in bytes.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::certificate::Certificate;

/// The request for a path, as bytes.
pub fn request(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").into_bytes()
}

/// A keep-alive connection.
pub struct Connection {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        Connection::secure(address, None).await
    }

    /// Connects, and speaks TLS if the server has a certificate.
    pub async fn secure(
        address: SocketAddr,
        certificate: Option<&Certificate>,
    ) -> anyhow::Result<Connection> {
        let stream = connect(address).await?;
        let stream = match certificate {
            None => Either::Left(stream),
            Some(certificate) => {
                let (connector, name) = certificate.client();
                Either::Right(Box::new(connector.connect(name, stream).await?))
            }
        };
        Ok(Connection {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and parses the answer; returns the answer's length.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request).await?;
        self.answer().await
    }

    /// The same, and sends a FIN behind the request.
    pub async fn ask_and_end(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request).await?;
        self.stream.shutdown().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<usize> {
        self.buffer.clear();
        loop {
            if let Some(length) = whole_answer(&self.buffer)? {
                if self.buffer.len() > length {
                    bail!("the server sent more than one answer to one request");
                }
                return Ok(length);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection before its answer was whole");
            }
        }
    }

    /// Sends a request to which the answer has `length` bytes, as the last one had, and checks no
    /// more than its first line.
    pub async fn ask_again(&mut self, request: &[u8], length: usize) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection under load");
            }
        }
        if self.buffer.len() != length || !self.buffer.starts_with(b"HTTP/1.1 200 ") {
            let text = String::from_utf8_lossy(&self.buffer);
            bail!("the server's answer changed under load: {text}");
        }
        Ok(())
    }

    /// Reads until the server closes.
    pub async fn closed(&mut self) {
        self.buffer.clear();
        // A reset is as closed as a FIN here.
        while matches!(self.stream.read_buf(&mut self.buffer).await, Ok(n) if n > 0) {
            self.buffer.clear();
        }
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The length of the answer that the bytes begin with, if all of it is there.
fn whole_answer(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_length) =
        head.parse(bytes).context("the answer is not HTTP/1.1")?
    else {
        return Ok(None);
    };
    if head.code != Some(200) {
        bail!("expected 200, got {:?}", head.code);
    }
    let body: usize = head
        .headers
        .iter()
        .find(|h| h.name.eq_ignore_ascii_case("content-length"))
        .and_then(|h| std::str::from_utf8(h.value).ok()?.parse().ok())
        .context("the answer has no content-length")?;
    let length = head_length + body;
    Ok((bytes.len() >= length).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(whole_answer(answer).unwrap(), Some(answer.len()));
        for end in 0..answer.len() {
            assert_eq!(whole_answer(&answer[..end]).unwrap(), None);
        }
    }

    #[test]
    fn an_answer_that_is_not_good_is_an_error() {
        assert!(whole_answer(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(whole_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(whole_answer(b"SSH-2.0-\r\n").is_err());
    }
}
