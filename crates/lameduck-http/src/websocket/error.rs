//! Why a WebSocket does not go on.

use std::io;

use lameduck_core::BoxError;
use tokio_tungstenite::tungstenite as ts;
use ts::error::ProtocolError;

use super::close_code;

/// Why nothing more can be received from a WebSocket, or sent to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// A Close has been sent or received, or the connection has ended before.
    #[error("the WebSocket is closed")]
    Closed,
    /// The peer has answered no ping: see [`WebSockets::ping_timeout`](super::WebSockets::ping_timeout).
    #[error("the peer has answered no ping")]
    PeerGone,
    /// The connection broke.
    #[error("the connection of the WebSocket broke")]
    Io(#[source] io::Error),
    /// The peer has broken the rules of the protocol. It is told so, by 1002.
    #[error("the peer has broken the rules of WebSocket")]
    Protocol(#[source] BoxError),
    /// The peer has sent text that is not UTF-8, and is told so, by 1007; or a message is to be text and is not.
    #[error("text that is not UTF-8")]
    NotUtf8(#[source] BoxError),
    /// A message or frame is longer than was allowed. A peer that sent it is told so, by 1009.
    #[error("a message or frame is too long")]
    TooLong(#[source] BoxError),
    /// A message was to be sent before the last fragment of the one before it. It was not.
    #[error("the message before is not complete: its last fragment has not been sent")]
    Incomplete,
}

impl WebSocketError {
    pub(super) fn of(error: ts::Error) -> WebSocketError {
        match error {
            ts::Error::ConnectionClosed | ts::Error::AlreadyClosed => WebSocketError::Closed,
            ts::Error::Io(error) => WebSocketError::Io(error),
            ts::Error::Protocol(
                error @ (ProtocolError::ResetWithoutClosingHandshake
                | ProtocolError::SendAfterClosing),
            ) => WebSocketError::Io(io::Error::new(io::ErrorKind::ConnectionReset, error)),
            ts::Error::Utf8(_) => WebSocketError::NotUtf8(error.into()),
            ts::Error::Capacity(_) | ts::Error::WriteBufferFull(_) => {
                WebSocketError::TooLong(error.into())
            }
            error => WebSocketError::Protocol(error.into()),
        }
    }

    /// What to say to the peer because of what it has sent; `None` if the connection is broken.
    pub(super) fn fault(&self) -> Option<u16> {
        match self {
            WebSocketError::Protocol(_) => Some(close_code::PROTOCOL),
            WebSocketError::NotUtf8(_) => Some(close_code::INVALID),
            WebSocketError::TooLong(_) => Some(close_code::SIZE),
            _ => None,
        }
    }
}
