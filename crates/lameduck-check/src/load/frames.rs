//! Where in its frames a WebSocket's incoming bytes stand. A WebSocket library tells that a connection ended; only
//! whoever counted knows that it ended in the middle of a message.
//!
//! What always holds: bytes pass through unchanged, and what is no WebSocket frame ends the counting, not the reading.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::connection::Link;

/// A connection whose incoming frames are counted, from the end of the opening handshake's head on.
pub(super) struct Counted {
    link: Link,
    standing: Standing,
}

impl Counted {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            standing: Standing::default(),
        }
    }

    pub(super) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// What is missing of a message that has begun, in words.
    pub(super) fn missing(&self) -> Option<String> {
        self.standing.missing()
    }
}

#[derive(Default)]
struct Standing {
    /// So many of the four bytes that end a head have just come; four: it is over.
    head: usize,
    /// The frame header, as far as it has come.
    header: Vec<u8>,
    /// Bytes left of the frame.
    left: u64,
    /// A message has begun whose last frame has not come.
    is_fragmented: bool,
    is_lost: bool,
}

impl Standing {
    fn pass(&mut self, mut bytes: &[u8]) {
        const END: &[u8; 4] = b"\r\n\r\n";
        while self.head < END.len() {
            let Some((&byte, rest)) = bytes.split_first() else {
                return;
            };
            bytes = rest;
            self.head = match byte == END[self.head] {
                true => self.head + 1,
                false => usize::from(byte == END[0]),
            };
        }
        while !bytes.is_empty() && !self.is_lost {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len() as u64);
                bytes = &bytes[skipped as usize..];
                self.left -= skipped;
                continue;
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            match FrameHeader::parse(&mut Cursor::new(&self.header)) {
                Ok(None) => {}
                Ok(Some((header, length))) => {
                    self.header.clear();
                    self.left = length;
                    if let OpCode::Data(Data::Text | Data::Binary | Data::Continue) = header.opcode
                    {
                        self.is_fragmented = !header.is_final;
                    }
                }
                Err(_) => self.is_lost = true,
            }
        }
    }

    fn missing(&self) -> Option<String> {
        match (self.left, self.header.is_empty(), self.is_fragmented) {
            _ if self.is_lost => None,
            (1.., _, _) => Some(format!("{} bytes of a frame", self.left)),
            (0, false, _) => Some("the rest of a frame's header".to_owned()),
            (0, true, true) => Some("the last fragment of a message".to_owned()),
            (0, true, false) => None,
        }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.link).poll_read(cx, buf))?;
        this.standing.pass(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().link).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().link).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().link).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is missing after a head and these bytes, whole or one by one.
    fn missing(bytes: &[u8]) -> Option<String> {
        let all = [
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
            bytes,
        ]
        .concat();
        let (mut whole, mut single) = (Standing::default(), Standing::default());
        whole.pass(&all);
        all.iter().for_each(|byte| single.pass(&[*byte]));
        assert_eq!(whole.missing(), single.missing());
        whole.missing()
    }

    #[test]
    fn between_messages_nothing_is_missing() {
        assert_eq!(missing(b""), None);
        assert_eq!(missing(b"\x81\x02hi"), None);
        assert_eq!(missing(b"\x81\x02hi\x88\x02\x03\xe9"), None);
        assert_eq!(missing(b"\x01\x01a\x89\x00\x80\x01b"), None);
    }

    #[test]
    fn in_a_message_what_is_missing_is_named() {
        assert_eq!(missing(b"\x81\x05hi").unwrap(), "3 bytes of a frame");
        assert_eq!(missing(b"\x81").unwrap(), "the rest of a frame's header");
        assert_eq!(
            missing(b"\x82\x7e\x01").unwrap(),
            "the rest of a frame's header"
        );
        // A control frame may come between two fragments and ends nothing.
        assert_eq!(
            missing(b"\x01\x01a\x88\x02\x03\xe9").unwrap(),
            "the last fragment of a message"
        );
    }
}
