//! Who is at the two ends of a connection, as far as the system, a proxy or TLS says.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use crate::listen::socket::ClientSocket;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionAddr {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A Unix socket. Clients usually have no path.
    #[cfg(unix)]
    Unix(Option<PathBuf>),
    /// The system did not say.
    Unknown,
}

impl ConnectionAddr {
    /// The address, if it is one of TCP.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            ConnectionAddr::Tcp(addr) => Some(*addr),
            _ => None,
        }
    }

    #[cfg(unix)]
    fn unix(addr: std::io::Result<tokio::net::unix::SocketAddr>) -> ConnectionAddr {
        match addr {
            Ok(addr) => ConnectionAddr::Unix(addr.as_pathname().map(Into::into)),
            Err(_) => ConnectionAddr::Unknown,
        }
    }
}

/// What is known when the peer has connected.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    pub(crate) peer: ConnectionAddr,
    pub(crate) local: ConnectionAddr,
    /// Who has connected on behalf of the peer, if that says so.
    #[cfg(feature = "proxy-header")]
    pub(crate) proxy: Option<Box<ConnectionAddr>>,
    #[cfg(unix)]
    pub(crate) credentials: Option<tokio::net::unix::UCred>,
}

impl ConnectionFacts {
    /// Asks the system. `peer` is what it said when the connection was accepted: one that is reset has
    /// no address any more.
    pub(crate) fn of(socket: &ClientSocket, peer: Option<SocketAddr>) -> ConnectionFacts {
        match socket {
            ClientSocket::Tcp(stream) => ConnectionFacts {
                peer: peer.map_or(ConnectionAddr::Unknown, ConnectionAddr::Tcp),
                local: stream
                    .local_addr()
                    .map_or(ConnectionAddr::Unknown, ConnectionAddr::Tcp),
                #[cfg(feature = "proxy-header")]
                proxy: None,
                #[cfg(unix)]
                credentials: None,
            },
            #[cfg(unix)]
            ClientSocket::Unix(stream) => ConnectionFacts {
                peer: ConnectionAddr::unix(stream.peer_addr()),
                local: ConnectionAddr::unix(stream.local_addr()),
                #[cfg(feature = "proxy-header")]
                proxy: None,
                credentials: stream.peer_cred().ok(),
            },
        }
    }
}

#[cfg(feature = "proxy-header")]
impl ConnectionFacts {
    /// The peer is a proxy, and has connected for somebody.
    pub(crate) fn are_on_behalf(&mut self, of: crate::proxy_protocol::header::OnBehalf) {
        self.local = ConnectionAddr::Tcp(of.local);
        let proxy = std::mem::replace(&mut self.peer, ConnectionAddr::Tcp(of.peer));
        self.proxy = Some(Box::new(proxy));
    }
}

/// What a TLS handshake has brought.
#[cfg(feature = "rustls")]
pub(crate) struct TlsFacts {
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) certificates: Option<Vec<rustls::pki_types::CertificateDer<'static>>>,
    pub(crate) alpn: Option<Box<[u8]>>,
    /// The same in tonic's own type.
    #[cfg(feature = "tonic")]
    pub(crate) tonic: crate::tls::TonicTlsInfo,
}
