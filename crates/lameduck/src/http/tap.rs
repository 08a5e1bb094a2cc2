//! The tap between hyper and the socket.
//!
//! hyper does not say whether a connection is fresh, half way through a request or idle, nor since
//! when. The tap sees the bytes and writes that down in the connection's [`Conn`]. When hyper is
//! done it hands the socket back, so that the last word, an orderly end that destroys nothing under
//! way, is ours.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::conn::Conn;
use super::socket::Socket;

/// What hyper gets to hold. Handed back through [`Conn::give_back`] when dropped, by whomever:
/// hyper, a panic, or the owner of an upgraded connection.
pub(crate) struct Tap {
    /// Only empty during `drop`.
    socket: Option<Socket>,
    conn: Arc<Conn>,
}

impl Tap {
    #[inline]
    pub(crate) fn new(socket: Socket, conn: Arc<Conn>) -> Tap {
        Tap {
            socket: Some(socket),
            conn,
        }
    }

    #[inline]
    fn parts(&mut self) -> io::Result<(Pin<&mut Socket>, &Conn)> {
        match &mut self.socket {
            Some(socket) => Ok((Pin::new(socket), &self.conn)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.conn.give_back(socket);
        }
    }
}

impl AsyncRead for Tap {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (socket, conn) = self.parts()?;
        conn.looked(|| socket.has_unread());
        let before = buf.filled().len();
        let polled = socket.poll_read(cx, buf);
        if polled.is_ready() {
            conn.read(&buf.filled()[before..]);
        }
        polled
    }
}

impl Tap {
    #[inline]
    fn wrote(conn: &Conn, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        conn.wrote(polled.is_pending());
        polled
    }
}

impl AsyncWrite for Tap {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (socket, conn) = self.parts()?;
        Tap::wrote(conn, socket.poll_write(cx, buf))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (socket, conn) = self.parts()?;
        Tap::wrote(conn, socket.poll_write_vectored(cx, bufs))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(Socket::is_write_vectored)
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, _) = self.parts()?;
        socket.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, _) = self.parts()?;
        socket.poll_shutdown(cx)
    }
}
