//! A TLS session over a socket, and what nobody has read or sent of it yet.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

#[cfg(feature = "tonic")]
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::records::Records;
use crate::listen::socket::{ClientSocket, forward_writes};

/// What tonic wants to know of a connection over TLS, in its own type.
#[cfg(feature = "tonic")]
pub(crate) type TonicTlsInfo = <TlsStream<RecordSocket> as Connected>::ConnectInfo;

/// The socket under a session, with an eye on the records that it reads.
pub(crate) struct RecordSocket {
    socket: ClientSocket,
    records: Records,
    #[cfg(feature = "tonic")]
    tonic: TcpConnectInfo,
}

impl RecordSocket {
    pub(crate) fn new(
        socket: ClientSocket,
        #[cfg(feature = "tonic")] tonic: TcpConnectInfo,
    ) -> RecordSocket {
        RecordSocket {
            socket,
            records: Records::default(),
            #[cfg(feature = "tonic")]
            tonic,
        }
    }

    pub(crate) fn into_socket(self) -> ClientSocket {
        self.socket
    }
}

impl AsyncRead for RecordSocket {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.socket).poll_read(cx, buf);
        if polled.is_ready() {
            this.records.came(&buf.filled()[before..]);
        }
        polled
    }
}

macro_rules! socket {
    ($self:expr, $s:ident => $do:expr) => {
        match $self {
            RecordSocket { socket: $s, .. } => $do,
        }
    };
}

forward_writes!(RecordSocket by socket);

#[cfg(feature = "tonic")]
impl Connected for RecordSocket {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.tonic.clone()
    }
}

/// A TLS session after its handshake. Its end is close_notify, then FIN.
pub(crate) struct TlsSession(TlsStream<RecordSocket>);

impl TlsSession {
    pub(crate) fn new(stream: TlsStream<RecordSocket>) -> TlsSession {
        TlsSession(stream)
    }

    /// Whether the peer has sent something that nobody has read yet, or that is not whole yet.
    /// Perhaps it is a record that is no data; whoever reads will know.
    pub(crate) fn has_unread(&self) -> bool {
        let (wire, session) = self.0.get_ref();
        !session.wants_read() || wire.records.is_within() || wire.socket.has_unread()
    }

    /// Whether part of a record has come and part has not.
    #[inline]
    pub(crate) fn is_within_record(&self) -> bool {
        self.0.get_ref().0.records.is_within()
    }

    /// Whether something that was written is not with the kernel yet.
    #[inline]
    pub(crate) fn holds_back(&self) -> bool {
        self.0.get_ref().1.wants_write()
    }

    /// The socket under it.
    pub(crate) fn socket(&self) -> &ClientSocket {
        &self.0.get_ref().0.socket
    }

    /// The socket, without a word to the peer.
    pub(crate) fn into_socket(self) -> ClientSocket {
        self.0.into_inner().0.into_socket()
    }
}

impl AsyncRead for TlsSession {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, buf) {
            // A FIN without close_notify. What a request is, HTTP says; one that is cut is not whole.
            Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            polled => polled,
        }
    }
}

macro_rules! session {
    ($self:expr, $s:ident => $do:expr) => {
        match $self {
            TlsSession($s) => $do,
        }
    };
}

forward_writes!(TlsSession by session);
