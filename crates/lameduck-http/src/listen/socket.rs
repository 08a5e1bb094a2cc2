//! A stream socket of either family, and what the kernel knows of it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
#[cfg(all(unix, feature = "proxy-header"))]
use std::task::ready;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(all(unix, feature = "proxy-header"))]
use tokio::io::Interest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Between two probes of a connection that has been quiet: 10 s.
const PROBE: Duration = Duration::from_secs(10);
/// The same once the peer has sent its FIN, and before the first: 5 s.
const PROBE_FINISHED: Duration = Duration::from_secs(5);
/// How many unanswered probes say that the peer is gone.
#[cfg(not(windows))]
const PROBES: u32 = 6;

/// What has become of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    There,
    /// It sends nothing more, and may still read.
    Finished,
    /// It has reset the connection, or does not answer.
    Gone,
}

/// A stream socket of either family.
pub(crate) enum ClientSocket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// A connection as it was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: ClientSocket,
    /// Who has connected, over TCP.
    pub(crate) peer: Option<SocketAddr>,
}

impl Accepted {
    pub(crate) fn tcp(stream: TcpStream, peer: SocketAddr) -> Accepted {
        Accepted {
            socket: ClientSocket::Tcp(stream),
            peer: Some(peer),
        }
    }

    #[cfg(unix)]
    pub(crate) fn unix(stream: UnixStream) -> Accepted {
        Accepted {
            socket: ClientSocket::Unix(stream),
            peer: None,
        }
    }
}

macro_rules! each {
    ($self:expr, $s:ident => $do:expr) => {
        match $self {
            ClientSocket::Tcp($s) => $do,
            #[cfg(unix)]
            ClientSocket::Unix($s) => $do,
        }
    };
}

impl ClientSocket {
    /// The number of its descriptor.
    #[inline]
    pub(crate) fn number(&self) -> i32 {
        #[cfg(unix)]
        return {
            use std::os::fd::AsRawFd;
            each!(self, s => s.as_raw_fd())
        };
        #[cfg(not(unix))]
        0
    }

    /// Whether the kernel holds bytes from the peer that nobody has read yet. Asks the kernel, not
    /// the runtime, which may not have been told yet.
    #[cfg(unix)]
    pub(crate) fn has_unread(&self) -> bool {
        use rustix::net::{RecvFlags, recv};
        use std::os::fd::AsFd;
        let fd = match self {
            ClientSocket::Tcp(s) => s.as_fd(),
            ClientSocket::Unix(s) => s.as_fd(),
        };
        let mut byte = [0u8; 1];
        matches!(
            recv(fd, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT),
            Ok((1.., _))
        )
    }

    #[cfg(not(unix))]
    pub(crate) fn has_unread(&self) -> bool {
        let ClientSocket::Tcp(stream) = self;
        let peeked = stream.try_io(tokio::io::Interest::READABLE, || {
            socket2::SockRef::from(stream).peek(&mut [std::mem::MaybeUninit::uninit()])
        });
        matches!(peeked, Ok(1..))
    }

    /// Whether there is something to read, an end included; if not, the task is woken when there
    /// is.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, s => s.poll_read_ready(cx)).map(|_| ())
    }

    /// Copies what the kernel holds from the peer, and leaves it there; nothing at the end. Completes when
    /// there is something.
    #[cfg(all(unix, feature = "proxy-header"))]
    pub(crate) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        use rustix::net::{RecvFlags, recv};
        use std::os::fd::AsFd;
        loop {
            ready!(each!(self, s => s.poll_read_ready(cx)))?;
            let peeked = each!(self, s => s.try_io(Interest::READABLE, || {
                Ok(recv(s.as_fd(), &mut *bytes, RecvFlags::PEEK | RecvFlags::DONTWAIT)?.1)
            }));
            match peeked {
                // There was nothing, which the runtime knows now.
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                peeked => return Poll::Ready(peeked),
            }
        }
    }

    #[cfg(all(not(unix), feature = "proxy-header"))]
    pub(crate) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let ClientSocket::Tcp(stream) = self;
        stream.poll_peek(cx, &mut ReadBuf::new(bytes))
    }

    /// Reads what is there.
    #[cfg(feature = "proxy-header")]
    pub(crate) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        each!(self, s => s.try_read(bytes))
    }

    /// What has become of the peer.
    #[cfg(unix)]
    pub(crate) fn peer(&self) -> PeerState {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use std::os::fd::AsFd;
        // Not part of POSIX; elsewhere an end is only seen by reading.
        #[cfg(target_os = "linux")]
        const END: PollFlags = PollFlags::RDHUP;
        #[cfg(not(target_os = "linux"))]
        const END: PollFlags = PollFlags::empty();
        let fd = match self {
            ClientSocket::Tcp(s) => s.as_fd(),
            ClientSocket::Unix(s) => s.as_fd(),
        };
        let mut fds = [PollFd::from_borrowed_fd(fd, END)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if poll(&mut fds, Some(&now)).is_err() {
            return PeerState::There;
        }
        let seen = fds[0].revents();
        if seen.intersects(PollFlags::HUP | PollFlags::ERR) {
            PeerState::Gone
        } else if seen.intersects(END) {
            PeerState::Finished
        } else {
            PeerState::There
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn peer(&self) -> PeerState {
        PeerState::There
    }

    /// Has the system see whether the peer is still there: first after `idle` without a byte, then
    /// every `PROBE`, and the connection fails when `PROBES` of them go unanswered. Where the system
    /// has no such thing it works without.
    pub(crate) fn keep_alive(&self, idle: Duration) {
        self.probe(idle, PROBE);
    }

    /// The same every `PROBE_FINISHED`, if the system looks at all. A peer that has closed its socket
    /// sends the same FIN as one that still reads, and nobody reads here who would notice a difference;
    /// but Linux forgets a closed socket after 60 s (`tcp_fin_timeout`, tcp(7)), and answers the next
    /// probe with a reset. So one that is gone is noticed after 65 s, and after 35 s if its machine
    /// is gone too.
    pub(crate) fn ask_often(&self) {
        if let ClientSocket::Tcp(stream) = self
            && socket2::SockRef::from(stream).keepalive().unwrap_or(false)
        {
            self.probe(PROBE_FINISHED, PROBE_FINISHED);
        }
    }

    fn probe(&self, idle: Duration, every: Duration) {
        if let ClientSocket::Tcp(stream) = self {
            let probes = socket2::TcpKeepalive::new()
                .with_time(idle)
                .with_interval(every);
            #[cfg(not(windows))]
            let probes = probes.with_retries(PROBES);
            let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&probes);
        }
    }

    /// Whether the connection has failed: the peer has reset it, or does not answer. Says so once.
    pub(crate) fn has_failed(&self) -> bool {
        each!(self, s => s.take_error()).map_or(true, |error| error.is_some())
    }

    /// Ends it so that the peer sees an error (RST) behind what it has. A Unix socket has no such thing.
    pub(crate) fn reset(self) {
        if let ClientSocket::Tcp(stream) = &self {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Bytes written that the peer has not acknowledged yet. Zero where the system does not say.
    pub(crate) fn unacknowledged(&self) -> usize {
        #[cfg(target_os = "linux")]
        if let ClientSocket::Tcp(stream) = self {
            return crate::system::sys::unacknowledged(stream).unwrap_or(0);
        }
        0
    }
}

/// Reads from and writes to whatever a stream holds. `$each` is the macro that does something with that.
macro_rules! forward_io {
    ($it:ident by $each:ident) => {
        impl AsyncRead for $it {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                $each!(self.get_mut(), s => Pin::new(s).poll_read(cx, buf))
            }
        }

        $crate::listen::socket::forward_writes!($it by $each);
    };
}
pub(crate) use forward_io;

/// The half of it for a stream that looks at what is read.
macro_rules! forward_writes {
    ($it:ident by $each:ident) => {
        impl AsyncWrite for $it {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                $each!(self.get_mut(), s => Pin::new(s).poll_write(cx, buf))
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                $each!(self.get_mut(), s => Pin::new(s).poll_write_vectored(cx, bufs))
            }

            #[inline]
            fn is_write_vectored(&self) -> bool {
                $each!(self, s => s.is_write_vectored())
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $each!(self.get_mut(), s => Pin::new(s).poll_flush(cx))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $each!(self.get_mut(), s => Pin::new(s).poll_shutdown(cx))
            }
        }
    };
}
pub(crate) use forward_writes;

forward_io!(ClientSocket by each);
