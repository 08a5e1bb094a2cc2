//! The socket as the application sees it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::FusedStream;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::HeaderValue;

use super::closing::pacer::Turn;
use super::shared_socket::SharedSocket;
use super::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocketError, close_code};

/// An open WebSocket: a `Stream` of messages from the peer, and a `Sink` for messages to it. Made by
/// [`WebSocketUpgrade::on_upgrade`](super::WebSocketUpgrade::on_upgrade).
///
/// Pings are answered while the socket is read. The peer's Close comes as a message; after it, and
/// after the socket was sent away by a shutdown, there is `None`. Sending is an error from the moment
/// that a Close was sent: return from the handler then.
///
/// Dropping it closes the connection in an orderly way: 1000, or what the shutdown says if that has
/// come to this socket.
///
/// Purposefully not `Clone`: two readers would each get some of the messages. `split` of
/// `futures_util::StreamExt` makes a reader and a writer of it.
pub struct WebSocket {
    shared: Arc<SharedSocket>,
    turn: Arc<Turn>,
    protocol: Option<HeaderValue>,
}

impl WebSocket {
    pub(super) fn new(
        shared: Arc<SharedSocket>,
        turn: Arc<Turn>,
        protocol: Option<HeaderValue>,
    ) -> Self {
        WebSocket {
            shared,
            turn,
            protocol,
        }
    }

    /// The next message; `None` when no more will come.
    ///
    /// # Errors
    ///
    /// The connection broke, or the peer has broken the rules of the protocol.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no message is lost.
    pub async fn recv(&mut self) -> Option<Result<Message, WebSocketError>> {
        self.next().await
    }

    /// Sends a message, and waits until it is with the kernel.
    ///
    /// # Errors
    ///
    /// The connection broke, or a Close has been sent or received.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: it may not be known whether the message goes out. It goes out whole or not at
    /// all.
    pub async fn send(&mut self, message: Message) -> Result<(), WebSocketError> {
        SinkExt::send(self, message).await
    }

    /// Sends a fragment of a message (RFC 6455, 5.4), text or bytes, and waits until it is with the kernel: for
    /// messages whose end is not known when they begin. The Close frame of a shutdown waits for the last one. All
    /// fragments of a message are of the kind of its first; a message of another kind is sent as it is.
    ///
    /// # Errors
    ///
    /// As of [`send`](WebSocket::send), which gives [`Incomplete`](WebSocketError::Incomplete) between two fragments.
    ///
    /// # Cancel safety
    ///
    /// As of [`send`](WebSocket::send).
    pub async fn send_fragment(
        &mut self,
        fragment: Message,
        is_last: bool,
    ) -> Result<(), WebSocketError> {
        poll_fn(|cx| self.shared.poll_ready(cx)).await?;
        self.shared.start_fragment(fragment, is_last)?;
        poll_fn(|cx| self.shared.poll_flush(cx)).await
    }

    /// Begins the closing handshake with a code and reason of your own. The rest of it, and the end
    /// of the connection, go on when the socket is dropped. A reason is at most 123 bytes.
    ///
    /// # Errors
    ///
    /// The connection broke, or a Close has been sent or received.
    ///
    /// # Cancel safety
    ///
    /// As of [`send`](WebSocket::send).
    pub async fn close_with(
        &mut self,
        code: CloseCode,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<(), WebSocketError> {
        let reason = reason.into();
        let frame = CloseFrame { code, reason };
        self.send(Message::Close(Some(frame))).await
    }

    /// Completes when the shutdown has come to this socket: its turn to go.
    ///
    /// Whoever has called this gets to speak last. The Close frame is held back until the socket is
    /// dropped or closed by the application, for at most the
    /// [closing time](super::WebSockets::closing). So this is the place for a last message:
    ///
    /// ```
    /// # use lameduck_http::websocket::{Message, WebSocket};
    /// async fn serve(mut socket: WebSocket) {
    ///     let mut leaving = std::pin::pin!(socket.leaving());
    ///     loop {
    ///         tokio::select! {
    ///             () = &mut leaving => {
    ///                 let _ = socket.send(Message::text("resume at 17")).await;
    ///                 return; // now the Close frame goes out
    ///             }
    ///             message = socket.recv() => match message {
    ///                 Some(Ok(_)) => {}
    ///                 _ => return,
    ///             },
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn leaving(&self) -> impl Future<Output = ()> + Send + use<> {
        self.turn.await_it();
        let turn = self.turn.clone();
        async move { turn.comes().await }
    }

    /// The subprotocol that was agreed on (RFC 6455, 1.9).
    pub fn protocol(&self) -> Option<&HeaderValue> {
        self.protocol.as_ref()
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("protocol", &self.protocol)
            .field("leaving", &self.turn.has_come())
            .finish_non_exhaustive()
    }
}

impl Stream for WebSocket {
    type Item = Result<Message, WebSocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.shared.poll_next(cx)
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.shared.is_read_to_its_end()
    }
}

impl Sink<Message> for WebSocket {
    type Error = WebSocketError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WebSocketError>> {
        self.shared.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), WebSocketError> {
        self.shared.start_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WebSocketError>> {
        self.shared.poll_flush(cx)
    }

    /// Begins the closing handshake with 1000 unless it has begun. Does not wait for the peer's
    /// Close, nor for the end of the connection: those go on when the socket is dropped.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), WebSocketError>> {
        let frame = CloseFrame::with_code(close_code::NORMAL);
        // If a Close has been said before, that is what was asked for.
        let _ = self.shared.start_send(Message::Close(Some(frame)));
        match self.shared.poll_flush(cx) {
            Poll::Ready(Err(WebSocketError::Closed)) => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}
