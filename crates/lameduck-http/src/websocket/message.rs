//! What goes over a WebSocket: the same types as `axum::extract::ws` has, by name and shape, so that code written for
//! the one compiles with the other. The protocol crate's own types are none of the application's business.
//!
//! # What must hold
//!
//! 1. No payload is copied on its way between the application and the protocol crate.

use std::fmt;
use std::ops::Deref;
use std::str::Utf8Error;

use bytes::Bytes;
use tokio_tungstenite::tungstenite as ts;

use super::error::WebSocketError;

/// Text: [`Bytes`] that are UTF-8. A clone shares them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Utf8Bytes(ts::Utf8Bytes);

impl Utf8Bytes {
    /// Text that is there for ever, without a copy.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Utf8Bytes {
        Utf8Bytes(ts::Utf8Bytes::from_static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&str> for Utf8Bytes {
    fn from(text: &str) -> Utf8Bytes {
        Utf8Bytes(text.into())
    }
}

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Utf8Bytes {
        Utf8Bytes(text.into())
    }
}

impl From<&String> for Utf8Bytes {
    fn from(text: &String) -> Utf8Bytes {
        Utf8Bytes(text.into())
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Utf8Bytes, Utf8Error> {
        bytes.try_into().map(Utf8Bytes)
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = Utf8Error;

    fn try_from(bytes: Vec<u8>) -> Result<Utf8Bytes, Utf8Error> {
        Utf8Bytes::try_from(Bytes::from(bytes))
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Bytes {
        text.0.into()
    }
}

/// With whatever a `&str` can be compared.
impl<T> PartialEq<T> for Utf8Bytes
where
    for<'a> &'a str: PartialEq<T>,
{
    fn eq(&self, other: &T) -> bool {
        self.as_str() == *other
    }
}

/// Why a WebSocket is closed (RFC 6455, 7.4): one of [`close_code`](super::close_code), or of the application's own, 3000 to 4999.
pub type CloseCode = u16;

/// What a Close frame says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CloseFrame {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people: at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl CloseFrame {
    pub(super) fn with_code(code: CloseCode) -> CloseFrame {
        CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        }
    }
}

/// A message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
    /// The peer's is answered while the socket is read. At most 125 bytes.
    Ping(Bytes),
    /// The answer to a [`Ping`](Message::Ping). Answers to the pings that lameduck itself sends do not come here.
    Pong(Bytes),
    /// The last message in its direction. The rest of the closing handshake is lameduck's.
    Close(Option<CloseFrame>),
}

impl Message {
    /// Text.
    pub fn text(text: impl Into<Utf8Bytes>) -> Message {
        Message::Text(text.into())
    }

    /// Bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Message {
        Message::Binary(bytes.into())
    }

    /// Whether it is [`Text`](Message::Text).
    pub fn is_text(&self) -> bool {
        matches!(self, Message::Text(_))
    }

    /// Whether it is [`Binary`](Message::Binary).
    pub fn is_binary(&self) -> bool {
        matches!(self, Message::Binary(_))
    }

    /// Its bytes; of a Close the reason.
    pub fn into_data(self) -> Bytes {
        match self {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes,
            Message::Close(frame) => frame.map_or_else(Bytes::new, |it| it.reason.into()),
        }
    }

    /// Its bytes as text; of a Close the reason.
    ///
    /// # Errors
    ///
    /// They are not UTF-8.
    pub fn into_text(self) -> Result<Utf8Bytes, WebSocketError> {
        match self {
            Message::Text(text) => Ok(text),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => {
                Utf8Bytes::try_from(bytes).map_err(|error| WebSocketError::NotUtf8(error.into()))
            }
            Message::Close(frame) => Ok(frame.map_or_else(Utf8Bytes::default, |it| it.reason)),
        }
    }

    /// The same without taking it.
    ///
    /// # Errors
    ///
    /// They are not UTF-8.
    pub fn to_text(&self) -> Result<&str, WebSocketError> {
        std::str::from_utf8(self.data()).map_err(|error| WebSocketError::NotUtf8(error.into()))
    }

    fn data(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes,
            Message::Close(frame) => frame.as_ref().map_or(&[], |it| it.reason.as_bytes()),
        }
    }

    /// How many bytes it carries.
    pub(super) fn length(&self) -> usize {
        self.data().len()
    }

    /// As the protocol crate has it.
    pub(super) fn into_protocol(self) -> ts::Message {
        match self {
            Message::Text(text) => ts::Message::Text(text.0),
            Message::Binary(bytes) => ts::Message::Binary(bytes),
            Message::Ping(bytes) => ts::Message::Ping(bytes),
            Message::Pong(bytes) => ts::Message::Pong(bytes),
            Message::Close(frame) => ts::Message::Close(frame.map(|it| ts::protocol::CloseFrame {
                code: it.code.into(),
                reason: it.reason.0,
            })),
        }
    }

    /// From what the protocol crate has read; `None` for a bare frame, which it never reads.
    pub(super) fn from_protocol(message: ts::Message) -> Option<Message> {
        Some(match message {
            ts::Message::Text(text) => Message::Text(Utf8Bytes(text)),
            ts::Message::Binary(bytes) => Message::Binary(bytes),
            ts::Message::Ping(bytes) => Message::Ping(bytes),
            ts::Message::Pong(bytes) => Message::Pong(bytes),
            ts::Message::Close(frame) => Message::Close(frame.map(|it| CloseFrame {
                code: it.code.into(),
                reason: Utf8Bytes(it.reason),
            })),
            ts::Message::Frame(_) => return None,
        })
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::text(text)
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Message {
        Message::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Message {
        Message::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes.into())
    }
}

impl From<Message> for Vec<u8> {
    fn from(message: Message) -> Vec<u8> {
        message.into_data().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::close_code;

    #[test]
    fn no_payload_is_copied_on_its_way() {
        let there_and_back = |message: Message| {
            let at = message.data().as_ptr();
            let wire = message.clone().into_protocol();
            let back = Message::from_protocol(wire).unwrap();
            assert_eq!(back, message);
            assert_eq!(back.data().as_ptr(), at, "{message:?}");
            assert_eq!(back.into_data().as_ptr(), at, "{message:?}");
        };
        let bytes = || Bytes::from(b"ten bytes.".to_vec());
        let text = || Utf8Bytes::try_from(bytes()).unwrap();
        there_and_back(Message::Text(text()));
        there_and_back(Message::Binary(bytes()));
        there_and_back(Message::Ping(bytes()));
        there_and_back(Message::Pong(bytes()));
        for code in [close_code::NORMAL, close_code::AGAIN, 3999, 4999] {
            let reason = text();
            there_and_back(Message::Close(Some(CloseFrame { code, reason })));
        }
        assert_eq!(
            Message::from_protocol(Message::Close(None).into_protocol()),
            Some(Message::Close(None))
        );
    }

    #[test]
    fn text_is_utf_8_or_an_error() {
        let bad = Message::binary(vec![0xff, 0xfe]);
        assert!(matches!(bad.to_text(), Err(WebSocketError::NotUtf8(_))));
        assert!(matches!(bad.into_text(), Err(WebSocketError::NotUtf8(_))));
        assert!(Utf8Bytes::try_from(vec![0xff]).is_err());
        assert_eq!(Message::binary("a").into_text().unwrap(), "a");
        assert_eq!(Message::Close(None).to_text().unwrap(), "");
    }
}
