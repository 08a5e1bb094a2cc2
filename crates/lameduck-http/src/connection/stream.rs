//! A connection's bytes as hyper sees them: the socket's own, or what TLS makes of them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listen::socket::{ClientSocket, PeerState, forward_io};
#[cfg(feature = "rustls")]
use crate::tls::TlsSession;

/// A connection's bytes.
pub(crate) enum ConnectionStream {
    Plain(ClientSocket),
    #[cfg(feature = "rustls")]
    Tls(Box<TlsSession>),
}

macro_rules! each {
    ($self:expr, $s:ident => $do:expr) => {
        match $self {
            ConnectionStream::Plain($s) => $do,
            #[cfg(feature = "rustls")]
            ConnectionStream::Tls($s) => $do,
        }
    };
}

impl ConnectionStream {
    /// Whether the peer has sent something that hyper has not read yet.
    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        each!(self, s => s.has_unread())
    }

    /// Whether there is something to read, an end included; if not, the task is woken when there
    /// is.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket().poll_readable(cx)
    }

    /// What has become of the peer.
    pub(crate) fn peer(&self) -> PeerState {
        self.socket().peer()
    }

    /// Has the system ask often whether a peer is still there that sends nothing more.
    pub(crate) fn ask_often_for_peer(&self) {
        self.socket().ask_often();
    }

    fn socket(&self) -> &ClientSocket {
        match self {
            ConnectionStream::Plain(socket) => socket,
            #[cfg(feature = "rustls")]
            ConnectionStream::Tls(session) => session.socket(),
        }
    }

    /// Whether something that hyper has written is not with the kernel yet.
    #[inline]
    pub(crate) fn holds_back(&self) -> bool {
        match self {
            ConnectionStream::Plain(_) => false,
            #[cfg(feature = "rustls")]
            ConnectionStream::Tls(session) => session.holds_back(),
        }
    }

    /// Whether its bytes on the socket are not those of HTTP.
    pub(crate) fn is_encrypted(&self) -> bool {
        !matches!(self, ConnectionStream::Plain(_))
    }

    /// The socket, for its last bytes.
    pub(crate) fn into_socket(self) -> ClientSocket {
        match self {
            ConnectionStream::Plain(socket) => socket,
            #[cfg(feature = "rustls")]
            ConnectionStream::Tls(session) => session.into_socket(),
        }
    }
}

forward_io!(ConnectionStream by each);
