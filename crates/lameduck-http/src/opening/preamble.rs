//! What comes between a socket and HTTP: the header of a proxy, a TLS handshake.

use std::sync::Arc;

#[cfg(feature = "proxy-header")]
use super::first_byte::first_byte;
#[cfg(feature = "rustls")]
use super::tls_handshake::handshake;
use crate::connection::conn::Conn;
use crate::connection::facts::ConnectionFacts;
#[cfg(feature = "proxy-header")]
use crate::connection::linger::linger;
use crate::connection::stream::ConnectionStream;
use crate::listen::socket::{Accepted, ClientSocket};
#[cfg(feature = "proxy-header")]
use crate::proxy_protocol::header::{BadHeader, read_header};
#[cfg(feature = "proxy-header")]
use crate::proxy_protocol::settings::ProxyProtocol;

/// What every connection of a server begins with; usually nothing.
#[derive(Clone, Default)]
pub(crate) struct Preamble {
    #[cfg(feature = "proxy-header")]
    pub(crate) proxy: Option<ProxyProtocol>,
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Preamble {
    /// Has HTTP begin on this socket; `None` if the connection is over before it could.
    pub(crate) async fn open(
        &self,
        accepted: Accepted,
        conn: &Arc<Conn>,
    ) -> Option<ConnectionStream> {
        let socket = self.introduced(accepted, conn).await?;
        #[cfg(feature = "rustls")]
        if let Some(acceptor) = &self.tls {
            // Boxed, so that connections without TLS need no room for it.
            return Box::pin(handshake(socket, conn, acceptor)).await;
        }
        Some(ConnectionStream::Plain(socket))
    }

    /// The socket, once it is known who is at the other end.
    async fn introduced(&self, accepted: Accepted, conn: &Conn) -> Option<ClientSocket> {
        #[cfg(feature = "proxy-header")]
        if let Some(proxy) = &self.proxy
            && proxy.expects_header_of(accepted.peer)
        {
            return Box::pin(behind_proxy(accepted, conn, proxy)).await;
        }
        conn.is_between(ConnectionFacts::of(&accepted.socket, accepted.peer));
        Some(accepted.socket)
    }
}

/// Reads the header that a proxy has written before all else.
#[cfg(feature = "proxy-header")]
async fn behind_proxy(
    accepted: Accepted,
    conn: &Conn,
    proxy: &ProxyProtocol,
) -> Option<ClientSocket> {
    let Accepted { socket, peer } = accepted;
    let socket = first_byte(socket, conn).await?;
    let read = tokio::select! {
        biased;
        read = read_header(&socket) => read,
        () = conn.cut() => Err(BadHeader::Late),
    };
    match read {
        Ok(on_behalf) => {
            let mut facts = ConnectionFacts::of(&socket, peer);
            if let Some(of) = on_behalf {
                facts.are_on_behalf(of);
            }
            conn.is_between(facts);
            conn.opened();
            Some(socket)
        }
        Err(error) => {
            proxy.tell(peer, error);
            // What it sends instead nobody reads, and a reset would look like a fault of the network.
            conn.leaves_unread();
            linger(ConnectionStream::Plain(socket), conn).await;
            None
        }
    }
}
