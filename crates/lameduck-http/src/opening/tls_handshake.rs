//! From the connection to the first byte of HTTP.
//!
//! # What must hold
//!
//! 1. A handshake under way is in flight: its connection is on the server's list, and is not closed
//!    as idle (hyper#3792).
//! 2. It is bounded, at any time and more tightly once nothing else is in flight (hyper#4170): the
//!    [`sweep`](crate::connection::sweep) says when. It is not in the ledger, so that a thousand peers who
//!    stop half way keep nobody's idle connections open.
//! 3. A peer that has not said a word costs no more than its socket.

use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use tracing::Level;

use super::first_byte::first_byte;
use crate::connection::conn::Conn;
use crate::connection::facts::TlsFacts;
#[cfg(feature = "tonic")]
use crate::connection::for_tonic::tcp_info;
use crate::connection::linger::linger;
use crate::connection::stream::ConnectionStream;
use crate::listen::socket::ClientSocket;
use crate::tls::{RecordSocket, TlsSession};
use lameduck_core::internal::voice;

/// Shakes hands; `None` if that did not go well, and the connection is over.
pub(crate) async fn handshake(
    socket: ClientSocket,
    conn: &Conn,
    acceptor: &TlsAcceptor,
) -> Option<ConnectionStream> {
    let socket = first_byte(socket, conn).await?;
    let wire = RecordSocket::new(
        socket,
        #[cfg(feature = "tonic")]
        tcp_info(conn),
    );
    tokio::select! {
        biased;
        shaken = acceptor.accept(wire).into_fallible() => match shaken {
            Ok(stream) => {
                conn.has_shaken(facts(&stream));
                conn.opened();
                let session = Box::new(TlsSession::new(stream));
                // A part of the first request may have come with the end of the handshake.
                conn.within_record(session.is_within_record());
                Some(ConnectionStream::Tls(session))
            }
            Err((error, wire)) => {
                voice::event(Level::DEBUG, move || {
                    tracing::debug!(target: "lameduck", %error, "no TLS handshake");
                });
                // The alert that says why must not be overtaken by a reset.
                conn.leaves_unread();
                linger(ConnectionStream::Plain(wire.into_socket()), conn).await;
                None
            }
        },
        () = conn.cut() => None,
    }
}

fn facts(stream: &TlsStream<RecordSocket>) -> TlsFacts {
    let session = stream.get_ref().1;
    TlsFacts {
        server_name: session.server_name().map(Into::into),
        certificates: session.peer_certificates().map(<[_]>::to_vec),
        alpn: session.alpn_protocol().map(Into::into),
        #[cfg(feature = "tonic")]
        tonic: tonic::transport::server::Connected::connect_info(stream),
    }
}
