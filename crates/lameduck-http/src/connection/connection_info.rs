//! What a handler may know of the connection that its request came on.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;

use super::conn::Conn;
use super::facts::{ConnectionAddr, ConnectionFacts};

/// The connection that a request came on: who is at its ends, and what TLS says of the peer.
///
/// [`Http::with_connection_info`](crate::Http::with_connection_info) puts one in each request's extensions.
/// With feature `axum` it is an extractor, and
/// `app.into_make_service_with_connect_info::<ConnectionInfo>()` works too. The version of HTTP is the
/// request's own.
///
/// All requests of a connection share one, so a clone is cheap. Keeping one keeps no socket open.
#[derive(Clone)]
pub struct ConnectionInfo(pub(crate) Arc<Conn>);

impl ConnectionInfo {
    /// The one in a request's extensions.
    pub fn from_extensions(extensions: &Extensions) -> Option<&ConnectionInfo> {
        extensions.get()
    }

    fn facts(&self) -> Option<&ConnectionFacts> {
        self.0.facts()
    }

    /// The client, behind a proxy as its header says (`Http::proxy_protocol`). [`ConnectionAddr::Unknown`] if the
    /// system does not say.
    pub fn peer(&self) -> &ConnectionAddr {
        self.facts().map_or(&ConnectionAddr::Unknown, |it| &it.peer)
    }

    /// Where the client has connected to: this server, or the proxy before it.
    pub fn local(&self) -> &ConnectionAddr {
        self.facts()
            .map_or(&ConnectionAddr::Unknown, |it| &it.local)
    }

    /// The client's address. `None` on a Unix socket.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer().tcp()
    }

    /// The address that the client has connected to. `None` on a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local().tcp()
    }

    /// The proxy that has made the connection for the client. `None` if no header said so.
    #[cfg(feature = "proxy-header")]
    pub fn proxy(&self) -> Option<&ConnectionAddr> {
        self.facts()?.proxy.as_deref()
    }

    /// The process at the other end of a Unix socket, as it was when it connected (`SO_PEERCRED`, unix(7)).
    /// `None` over TCP.
    #[cfg(unix)]
    pub fn peer_credentials(&self) -> Option<tokio::net::unix::UCred> {
        self.facts()?.credentials
    }

    /// Whether the connection is encrypted by this server.
    #[cfg(feature = "rustls")]
    pub fn is_tls(&self) -> bool {
        self.0.tls_facts().is_some()
    }

    /// The name that the client has asked for in its TLS handshake (SNI, RFC 6066).
    #[cfg(feature = "rustls")]
    pub fn server_name(&self) -> Option<&str> {
        self.0.tls_facts()?.server_name.as_deref()
    }

    /// The client's certificate and those that it has sent along, its own first. `None` if it has sent none.
    #[cfg(feature = "rustls")]
    pub fn peer_certificates(&self) -> Option<&[rustls::pki_types::CertificateDer<'static>]> {
        self.0.tls_facts()?.certificates.as_deref()
    }

    /// The protocol agreed on in the TLS handshake (ALPN, RFC 7301): `h2`, `http/1.1`.
    #[cfg(feature = "rustls")]
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.0.tls_facts()?.alpn.as_deref()
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("peer", self.peer())
            .field("local", self.local())
            .finish_non_exhaustive()
    }
}
