//! A stream socket of either family, and what the kernel knows of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A stream socket of either family.
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
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

impl Socket {
    /// Whether the kernel holds bytes from the peer that nobody has read yet. Asks the kernel, not
    /// the runtime, which may not have been told yet.
    #[cfg(unix)]
    pub(super) fn has_unread(&self) -> bool {
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
    pub(super) fn has_unread(&self) -> bool {
        let Socket::Tcp(stream) = self;
        let peeked = stream.try_io(tokio::io::Interest::READABLE, || {
            socket2::SockRef::from(stream).peek(&mut [std::mem::MaybeUninit::uninit()])
        });
        matches!(peeked, Ok(1..))
    }

    /// Whether there is something to read, an end included; if not, the task is woken when there
    /// is.
    #[cfg(feature = "rustls")]
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, s => s.poll_read_ready(cx)).map(|_| ())
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

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write(cx, buf))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write_vectored(cx, bufs))
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        each!(self, s => s.is_write_vectored())
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_shutdown(cx))
    }
}
