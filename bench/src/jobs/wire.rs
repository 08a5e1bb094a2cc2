//! A customer's connection: it knows whether an order was sent, and whether it was answered.

use std::fmt;
use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that may be used for one request after the other.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    open: bool,
}

/// An answer that is whole.
pub struct Answer {
    /// 201, 404, …
    pub status: u16,
    body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody was there to ask. Honest.
    #[error("refused: {0}")]
    Refused(std::io::Error),
    /// The request was not wholly written, so nobody can have understood it.
    #[error("the request could not be written: {0}")]
    Unsent(std::io::Error),
    /// It was wholly written, and no whole answer came.
    #[error("no answer: {0}")]
    Lost(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{}: {}", self.status, body.trim_end())
    }
}

impl Answer {
    /// The body, which is JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

impl Wire {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Wire, NoAnswer> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(NoAnswer::Refused)?;
        stream.set_nodelay(true).map_err(NoAnswer::Refused)?;
        Ok(Wire {
            stream,
            buffer: Vec::new(),
            open: true,
        })
    }

    /// Whether another request may be made: the shop has neither said that it will close the
    /// connection nor closed it.
    pub fn is_open(&self) -> bool {
        let would_block = |e: &std::io::Error| e.kind() == std::io::ErrorKind::WouldBlock;
        self.open && matches!(self.stream.try_read(&mut [0]), Err(e) if would_block(&e))
    }

    /// Asks.
    pub async fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n"))
            .await
    }

    /// Posts JSON. `last`: it is the only request on this connection, and says so.
    pub async fn post(&mut self, path: &str, json: &str, last: bool) -> Result<Answer, NoAnswer> {
        let close = if last { "connection: close\r\n" } else { "" };
        self.ask(format!(
            "POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n\
             {close}content-length: {}\r\n\r\n{json}",
            json.len()
        ))
        .await
    }

    async fn ask(&mut self, request: String) -> Result<Answer, NoAnswer> {
        self.open = false;
        let written = self.stream.write_all(request.as_bytes()).await;
        written.map_err(NoAnswer::Unsent)?;
        self.buffer.clear();
        loop {
            let whole = whole_answer(&self.buffer).map_err(NoAnswer::Lost)?;
            if let Some((answer, keeps_open)) = whole {
                self.open = keeps_open;
                return Ok(answer);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(NoAnswer::Lost("the connection was closed".to_owned())),
                Ok(_) => {}
                Err(e) => return Err(NoAnswer::Lost(e.to_string())),
            }
        }
    }
}

/// The answer that the bytes are, if all of it is there, and whether another may follow.
fn whole_answer(bytes: &[u8]) -> Result<Option<(Answer, bool)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes).map_err(|e| e.to_string())?;
    let httparse::Status::Complete(head_length) = parsed else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.and_then(|h| std::str::from_utf8(h.value).ok())
    };
    let length: usize = header("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or("the answer has no content-length")?;
    let Some(body) = bytes.get(head_length..head_length + length) else {
        return Ok(None);
    };
    let closes = header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
    let answer = Answer {
        status: head.code.unwrap_or_default(),
        body: body.to_owned(),
    };
    Ok(Some((answer, !closes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{\"id\":7}";
        for end in 0..bytes.len() {
            assert!(whole_answer(&bytes[..end]).unwrap().is_none());
        }
        let (answer, keeps_open) = whole_answer(bytes).unwrap().unwrap();
        assert_eq!((answer.status, keeps_open), (201, true));
        assert_eq!(answer.json::<serde_json::Value>().unwrap()["id"], 7);
    }

    #[test]
    fn a_connection_that_is_to_be_closed_is_not_used_again() {
        let bytes = b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (_, keeps_open) = whole_answer(bytes).unwrap().unwrap();
        assert!(!keeps_open);
    }

    #[test]
    fn what_is_not_http_is_no_answer() {
        assert!(whole_answer(b"SSH-2.0-\r\n").is_err());
        assert!(whole_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
