//! The bytes of a connection on their way to and from hyper, and what is noted of them.
//!
//! hyper does not say whether a connection is fresh, half way through a request or idle, nor since
//! when. So its bytes are seen here, and that is written down in the connection's [`Conn`]. When hyper is
//! done it hands the stream back, so that the last word, an orderly end that destroys nothing under
//! way, is ours.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::conn::Conn;
use super::stream::ConnectionStream;
use crate::listen::socket::PeerState;

/// What hyper gets to hold. Handed back through [`Conn::give_back`] when dropped, by whomever:
/// hyper, a panic, or the owner of an upgraded connection.
pub(crate) struct ObservedStream {
    /// Only empty during `drop`.
    stream: Option<ConnectionStream>,
    conn: Arc<Conn>,
}

impl ObservedStream {
    #[inline]
    pub(crate) fn new(stream: ConnectionStream, conn: Arc<Conn>) -> ObservedStream {
        ObservedStream {
            stream: Some(stream),
            conn,
        }
    }

    #[inline]
    fn parts(&mut self) -> io::Result<(Pin<&mut ConnectionStream>, &Conn)> {
        match &mut self.stream {
            Some(stream) => Ok((Pin::new(stream), &self.conn)),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Drop for ObservedStream {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.conn.give_back(stream);
        }
    }
}

impl AsyncRead for ObservedStream {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (mut stream, conn) = self.parts()?;
        conn.looked(|| stream.has_unread());
        let before = buf.filled().len();
        let polled = stream.as_mut().poll_read(cx, buf);
        #[cfg(feature = "rustls")]
        if let ConnectionStream::Tls(session) = &*stream {
            conn.within_record(session.is_within_record());
        }
        if let Poll::Ready(Ok(())) = polled {
            match &buf.filled()[before..] {
                [] if conn.read_end() => stream.ask_often_for_peer(),
                [] => {}
                bytes => conn.read(bytes),
            }
        }
        polled
    }
}

/// While a request is being answered hyper does not read, since a peer may send its FIN right behind a
/// whole request and still wait for the answer (RFC 9112, 9.6). So we look for one that is really gone.
#[cold]
fn look_for_peer(stream: &ConnectionStream, conn: &Conn, cx: &mut Context<'_>) -> io::Result<()> {
    // Until something comes the task is woken by it, and by an end too.
    if stream.poll_readable(cx).is_pending() {
        return Ok(());
    }
    match stream.peer() {
        PeerState::There => {}
        PeerState::Finished => {
            if conn.peer_finished() {
                stream.ask_often_for_peer();
            }
        }
        PeerState::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
    }
    Ok(())
}

impl ObservedStream {
    #[inline]
    fn wrote(
        stream: &ConnectionStream,
        conn: &Conn,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if stream.holds_back() {
            conn.holds_back();
        } else {
            conn.wrote(polled.is_pending());
        }
        polled
    }
}

impl AsyncWrite for ObservedStream {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (mut stream, conn) = self.parts()?;
        let polled = stream.as_mut().poll_write(cx, buf);
        ObservedStream::wrote(&stream, conn, polled)
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (mut stream, conn) = self.parts()?;
        let polled = stream.as_mut().poll_write_vectored(cx, bufs);
        ObservedStream::wrote(&stream, conn, polled)
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(ConnectionStream::is_write_vectored)
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut stream, conn) = self.parts()?;
        let polled = stream.as_mut().poll_flush(cx);
        if polled.is_ready() {
            conn.flushed();
        }
        if conn.is_answering() {
            look_for_peer(&stream, conn, cx)?;
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (stream, conn) = self.parts()?;
        let polled = stream.poll_shutdown(cx);
        if polled.is_ready() {
            conn.flushed();
        } else {
            conn.holds_back();
        }
        polled
    }
}
