//! What is spoken over: a connection as it is, or with TLS on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{LineState, TlsStream, WireStream};

/// A connection that requests can be sent on.
#[derive(Debug)]
pub enum Channel {
    /// As it is.
    Clear(WireStream),
    /// With TLS.
    Tls(Box<TlsStream>),
}

impl Channel {
    /// Looks, without waiting and without taking a byte, whether anything has arrived.
    pub fn look(&mut self) -> LineState {
        match self {
            Self::Clear(stream) => stream.look(),
            Self::Tls(stream) => stream.look(),
        }
    }

    /// Whether a connection that had ended properly was reset after that.
    pub(crate) fn was_reset_after_its_end(&mut self) -> bool {
        match self {
            // There the end is the FIN, and what follows it is the client's own doing.
            Self::Clear(_) => false,
            Self::Tls(stream) => stream.is_reset(),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
