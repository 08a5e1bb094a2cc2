//! The HTTP/1.1 client: strict about what a whole response is, and about what came instead of one.

use std::io;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::{Answer, AnswerFault, FaultKind};
use super::attempt::Attempt;
use super::connection::{Link, is_reset};
use crate::ledger::EventStream;
use crate::wire::Tracer;

/// Bytes of a response head, at most.
const HEAD_LIMIT: usize = 64 * 1024;
/// Header fields, at most.
const FIELDS: usize = 96;

/// How a body's end is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    ToEof,
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    close: bool,
    pub(super) framing: Framing,
}

/// Reads slowly until a moment, then as fast as it can.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// The pause before each read.
    pub(crate) pause: Duration,
    pub(crate) until: Instant,
}

/// One connection and what has been read from it ahead of time.
pub(crate) struct Http1 {
    link: Link,
    buffer: BytesMut,
    /// Times that more was read.
    reads: u64,
    /// Requests answered on this connection.
    pub(crate) answered: u32,
    pub(crate) pace: Option<Pace>,
}

impl Http1 {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            buffer: BytesMut::new(),
            reads: 0,
            answered: 0,
            pace: None,
        }
    }

    /// Whether another request may be sent, as far as a client can know.
    pub(crate) fn is_open(&mut self) -> bool {
        self.buffer.is_empty() && self.link.is_open()
    }

    /// Whether the target has ended the connection, as far as a client can know.
    pub(crate) fn has_ended(&mut self) -> bool {
        !self.link.is_open() && !self.link.has_data()
    }

    /// Whether something has come that was not asked for yet.
    pub(crate) fn has_something(&mut self) -> bool {
        !self.buffer.is_empty() || self.link.has_data()
    }

    /// Follows what is written.
    pub(super) fn tracer(&self) -> Tracer {
        self.link.tracer()
    }

    /// What the target sends is taken from now on, where it was not.
    pub(super) fn take_what_came(&self) {
        self.link.take_what_came();
    }

    /// Writes bytes of a request.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.link.write_all(bytes).await?;
        self.link.flush().await
    }

    /// Waits until the server ends the connection, for clients that only hang on.
    pub(crate) async fn watch(&mut self) {
        let mut sink = [0u8; 1024];
        while let Ok(1..) = self.link.read(&mut sink).await {}
    }

    /// Reads the response to the request just written.
    pub(crate) async fn answer(
        &mut self,
        attempt: &mut Attempt,
        keep: bool,
        method: &str,
    ) -> Result<Answer, AnswerFault> {
        let head = self.head(method).await?;
        let answered = attempt.head_came();
        let reads = self.reads;
        let mut body = Body {
            bytes: 0,
            kept: keep.then(BytesMut::new),
            events: attempt.events.as_deref_mut(),
        };
        let read = match head.framing {
            Framing::Length(length) => self.exactly(length, &mut body).await,
            Framing::Chunked => self.chunks(&mut body).await,
            Framing::ToEof => self.until_eof(&mut body).await,
        };
        if let Err(mut fault) = read {
            fault.began = true;
            fault.status = Some(head.status);
            fault.what = format!(
                "status {}, then {} after {} bytes of the body",
                head.status, fault.what, body.bytes
            );
            return Err(fault);
        }
        self.answered += 1;
        Ok(Answer {
            status: head.status,
            close: head.close,
            // With the head came all of it.
            ended: match self.reads == reads {
                true => answered,
                false => Instant::now(),
            },
            bytes: body.bytes,
            to_eof: head.framing == Framing::ToEof,
            body: body.kept.map(BytesMut::freeze),
        })
    }

    async fn head(&mut self, method: &str) -> Result<Head, AnswerFault> {
        loop {
            match parse_head(&self.buffer, method) {
                Ok(Some((used, head))) => {
                    self.buffer.advance(used);
                    // Interim responses (1xx) precede the one that counts.
                    if head.status >= 200 {
                        return Ok(head);
                    }
                }
                Ok(None) if self.buffer.len() < HEAD_LIMIT => self.read_more().await?,
                Ok(None) => return Err(malformed("a head that does not end")),
                Err(what) => return Err(malformed(&what)),
            }
        }
    }

    async fn exactly(&mut self, length: u64, body: &mut Body<'_>) -> Result<(), AnswerFault> {
        let mut left = length;
        while left > 0 {
            if self.buffer.is_empty() {
                self.read_more().await?;
            }
            let taken = (self.buffer.len() as u64).min(left);
            body.take(&mut self.buffer, taken as usize);
            left -= taken;
        }
        Ok(())
    }

    async fn chunks(&mut self, body: &mut Body<'_>) -> Result<(), AnswerFault> {
        loop {
            let (used, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete(found)) => break found,
                    Ok(httparse::Status::Partial) => self.read_more().await?,
                    Err(_) => return Err(malformed("a chunk size that is no number")),
                }
            };
            self.buffer.advance(used);
            if size == 0 {
                return self.trailers().await;
            }
            self.exactly(size, body).await?;
            while self.buffer.len() < 2 {
                self.read_more().await?;
            }
            if &self.buffer[..2] != b"\r\n" {
                return Err(malformed("a chunk longer than its size"));
            }
            self.buffer.advance(2);
        }
    }

    async fn trailers(&mut self) -> Result<(), AnswerFault> {
        loop {
            let line = self.buffer.windows(2).position(|pair| pair == b"\r\n");
            match line {
                Some(end) => {
                    self.buffer.advance(end + 2);
                    if end == 0 {
                        return Ok(());
                    }
                }
                None => self.read_more().await?,
            }
        }
    }

    async fn until_eof(&mut self, body: &mut Body<'_>) -> Result<(), AnswerFault> {
        loop {
            let length = self.buffer.len();
            body.take(&mut self.buffer, length);
            match self.read_more().await {
                Ok(()) => {}
                Err(fault) if fault.kind == FaultKind::Eof => return Ok(()),
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn read_more(&mut self) -> Result<(), AnswerFault> {
        self.reads += 1;
        let read = match self.pace {
            Some(pace) if Instant::now() < pace.until => {
                tokio::time::sleep(pace.pause).await;
                let mut some = [0u8; 4096];
                let read = self.link.read(&mut some).await;
                if let Ok(read) = read {
                    self.buffer.extend_from_slice(&some[..read]);
                }
                read
            }
            _ => {
                self.buffer.reserve(8 * 1024);
                self.link.read_buf(&mut self.buffer).await
            }
        };
        match read {
            Ok(1..) => Ok(()),
            Ok(0) => Err(self.fault(FaultKind::Eof, "closed (FIN)".to_owned())),
            Err(error) if is_reset(&error) => {
                Err(self.fault(FaultKind::Reset, "connection reset (RST)".to_owned()))
            }
            Err(error) => {
                let kind = FaultKind::of(&error);
                let what = match kind {
                    FaultKind::Torn => "closed (FIN) without close_notify".to_owned(),
                    _ => error.to_string(),
                };
                Err(self.fault(kind, what))
            }
        }
    }

    fn fault(&self, kind: FaultKind, end: String) -> AnswerFault {
        let began = !self.buffer.is_empty();
        AnswerFault {
            kind,
            began,
            status: None,
            what: end,
        }
    }
}

struct Body<'a> {
    bytes: u64,
    kept: Option<BytesMut>,
    events: Option<&'a mut EventStream>,
}

impl Body<'_> {
    fn take(&mut self, buffer: &mut BytesMut, length: usize) {
        self.bytes += length as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&buffer[..length]);
        }
        if let Some(events) = &mut self.events {
            events.pass(&buffer[..length]);
        }
        buffer.advance(length);
    }
}

fn malformed(what: &str) -> AnswerFault {
    AnswerFault {
        kind: FaultKind::Malformed,
        began: true,
        status: None,
        what: format!("malformed response: {what}"),
    }
}

/// A response's head and its length; `Ok(None)` while it is not whole.
pub(super) fn parse_head(buffer: &[u8], method: &str) -> Result<Option<(usize, Head)>, String> {
    let mut fields = [MaybeUninit::uninit(); FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut response, buffer, &mut fields);
    let used = match parsed {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let status = response.code.unwrap_or(0);
    let mut close = response.version == Some(0);
    let mut length = None;
    let mut chunked = false;
    for field in response.headers.iter() {
        // Most fields are about something else.
        let is_framing = ["connection", "transfer-encoding", "content-length"];
        if !is_framing
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name))
        {
            continue;
        }
        let value = String::from_utf8_lossy(field.value);
        let mut tokens = value.split(',').map(str::trim);
        if field.name.eq_ignore_ascii_case("connection") {
            for token in tokens {
                if token.eq_ignore_ascii_case("close") {
                    close = true;
                } else if token.eq_ignore_ascii_case("keep-alive") {
                    close = false;
                }
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked |= tokens.any(|token| token.eq_ignore_ascii_case("chunked"));
        } else if field.name.eq_ignore_ascii_case("content-length") {
            let said: u64 = value
                .trim()
                .parse()
                .map_err(|_| format!("Content-Length `{value}`"))?;
            if length.is_some_and(|length| length != said) {
                return Err("two different Content-Length fields".to_owned());
            }
            length = Some(said);
        }
    }
    let framing = match length {
        _ if method == "HEAD" || status < 200 || status == 204 || status == 304 => {
            Framing::Length(0)
        }
        _ if chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::ToEof,
    };
    close |= framing == Framing::ToEof;
    Ok(Some((
        used,
        Head {
            status,
            close,
            framing,
        },
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        parse_head(text.as_bytes(), "GET").unwrap().unwrap().1
    }

    #[test]
    fn a_head_that_is_not_whole_waits_for_more() {
        assert!(
            parse_head(b"HTTP/1.1 200 OK\r\nconte", "GET")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn the_body_is_framed_as_the_head_says() {
        assert_eq!(
            head("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").framing,
            Framing::Length(5)
        );
        assert_eq!(
            head("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").framing,
            Framing::Chunked
        );
        assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n").framing, Framing::ToEof);
        assert_eq!(
            head("HTTP/1.1 204 No Content\r\n\r\n").framing,
            Framing::Length(0)
        );
    }

    #[test]
    fn the_last_response_of_a_connection_is_known_as_such() {
        assert!(head("HTTP/1.1 200 OK\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n").close);
        assert!(head("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").close);
        assert!(
            !head("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n").close
        );
        assert!(!head("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").close);
    }

    #[test]
    fn lengths_that_contradict_each_other_are_malformed() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
        assert!(parse_head(text, "GET").is_err());
    }
}
