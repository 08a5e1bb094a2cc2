//! The socket under a connection, and the tap that notes what goes through it.
//!
//! hyper does not say whether a connection is fresh, half way through a request or idle, nor since
//! when. The tap sits between hyper and the socket and writes that down in the connection's
//! [`Conn`]. When hyper is done it hands the socket back, so that the last word, an orderly end
//! that destroys nothing under way, is ours.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::connection::Conn;

/// A stream socket of either family.
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// Whether the kernel holds bytes from the peer that nobody has read yet. Asks the kernel, not
    /// the runtime, which may not have been told yet.
    #[cfg(unix)]
    fn has_unread(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        use std::os::fd::AsFd;
        let fd = match self {
            Socket::Tcp(s) => s.as_fd(),
            Socket::Unix(s) => s.as_fd(),
        };
        let mut byte = [0u8; 1];
        matches!(
            recv(fd, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT),
            Ok((1.., _))
        )
    }

    #[cfg(not(unix))]
    fn has_unread(&self) -> bool {
        let Socket::Tcp(stream) = self;
        let peeked = stream.try_io(tokio::io::Interest::READABLE, || {
            socket2::SockRef::from(stream).peek(&mut [std::mem::MaybeUninit::uninit()])
        });
        matches!(peeked, Ok(1..))
    }

    /// Bytes written that the peer has not acknowledged yet. Zero where the system does not say.
    pub(crate) fn unacknowledged(&self) -> usize {
        #[cfg(target_os = "linux")]
        if let Socket::Tcp(stream) = self {
            return crate::sys::unacknowledged(stream).unwrap_or(0);
        }
        0
    }
}

macro_rules! each {
    ($self:expr, $s:ident => $do:expr) => {
        match $self {
            Socket::Tcp($s) => $do,
            #[cfg(unix)]
            Socket::Unix($s) => $do,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, s => s.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_shutdown(cx))
    }
}

/// What hyper gets to hold. Handed back through [`Conn::give_back`] when dropped, by whomever:
/// hyper, a panic, or the owner of an upgraded connection.
pub(crate) struct Tap {
    /// Only empty during `drop`.
    socket: Option<Socket>,
    conn: Arc<Conn>,
}

impl Tap {
    pub(crate) fn new(socket: Socket, conn: Arc<Conn>) -> Tap {
        Tap {
            socket: Some(socket),
            conn,
        }
    }

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
    fn wrote(conn: &Conn, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        conn.wrote(polled.is_pending());
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (socket, conn) = self.parts()?;
        Tap::wrote(conn, socket.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (socket, conn) = self.parts()?;
        Tap::wrote(conn, socket.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(Socket::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, _) = self.parts()?;
        socket.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (socket, _) = self.parts()?;
        socket.poll_shutdown(cx)
    }
}
