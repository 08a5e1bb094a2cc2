//! Who is believed that says for whom a connection is: the settings of the PROXY protocol.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ipnet::IpNet;
use tracing::Level;

use super::header::BadHeader;
use lameduck_core::internal::clock::Millis;
use lameduck_core::internal::voice;

/// The PROXY protocol, versions 1 and 2: a proxy that passes bytes on unread (HAProxy's `send-proxy`, an AWS
/// Network Load Balancer, nginx's `proxy_protocol on`) writes before them whose they are. Off by default; give
/// it to [`Http::proxy_protocol`](crate::Http::proxy_protocol) or
/// [`Listener::proxy_protocol`](crate::Listener::proxy_protocol).
///
/// From a source that is trusted each connection must begin with a header. One that begins with something else,
/// with a header that is malformed or longer than 4 KiB, or that is not whole in time, is closed, and the log has a
/// warning, at most one each 10 s. A header that says `LOCAL` or `UNKNOWN`, such as of a proxy's health checks,
/// leaves the connection its own addresses. From other sources no header is read: they are clients that have
/// come without the proxy, and what they send is HTTP or TLS.
///
/// ```
/// use lameduck_http::ProxyProtocol;
///
/// # fn main() -> Result<(), lameduck_http::BadSource> {
/// let from_the_balancer = ProxyProtocol::from_sources(["10.0.0.0/8", "fd00::/8"])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProxyProtocol {
    sources: Sources,
    header_timeout: Duration,
    told: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Sources {
    Anyone,
    Of(Arc<[IpNet]>),
}

/// What was given as the address of a proxy, and is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no source of PROXY headers: expected an address or a network, for example 10.0.0.7 or 10.0.0.0/8"
)]
pub struct BadSource(String);

/// Between two warnings of one listener: 10 s.
const QUIET: Duration = Duration::from_secs(10);

impl ProxyProtocol {
    /// From these addresses (`10.0.0.7`) and networks (`10.0.0.0/8`, `fd00::/8`) a header is expected and
    /// believed. Whoever can connect to a Unix socket is trusted.
    ///
    /// # Errors
    ///
    /// The first that is neither.
    pub fn from_sources<S: AsRef<str>>(
        sources: impl IntoIterator<Item = S>,
    ) -> Result<ProxyProtocol, BadSource> {
        let sources: Result<Arc<[IpNet]>, _> =
            sources.into_iter().map(|it| source(it.as_ref())).collect();
        Ok(ProxyProtocol::with(Sources::Of(sources?)))
    }

    /// A header is expected and believed from whoever connects. **Anyone who can reach the port can then
    /// pretend to be any client**: only where nobody but the proxy can, by a firewall or a network policy.
    pub fn from_anyone() -> ProxyProtocol {
        ProxyProtocol::with(Sources::Anyone)
    }

    fn with(sources: Sources) -> ProxyProtocol {
        ProxyProtocol {
            sources,
            header_timeout: Duration::from_secs(5),
            told: Arc::default(),
        }
    }

    /// How long the header may take to arrive, from the connection on; more than zero. Default: 5 s, which has
    /// room for a segment that is lost. With TLS a connection has this and the time for the handshake for both
    /// together. Once nothing else is in flight during a shutdown it is 500 ms for the first byte, and 2 s for
    /// the rest.
    pub fn header_timeout(mut self, timeout: Duration) -> ProxyProtocol {
        self.header_timeout = timeout;
        self
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.header_timeout
    }

    /// Whether a connection of this peer, or of one on a Unix socket, begins with a header.
    pub(crate) fn expects_header_of(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.sources, peer) {
            (Sources::Anyone, _) | (_, None) => true,
            (Sources::Of(nets), Some(peer)) => {
                // On a socket for both families an address of IPv4 is written as one of IPv6.
                let peer = peer.ip().to_canonical();
                nets.iter().any(|net| net.contains(&peer))
            }
        }
    }

    /// Says that a connection had no good header.
    pub(crate) fn tell(&self, peer: Option<SocketAddr>, error: BadHeader) {
        let peer = peer.map_or("a Unix socket".to_owned(), |it| it.to_string());
        let now = Millis::now();
        let told = self.told.load(Relaxed);
        let again = told == 0 || Millis(told).until(now) >= QUIET;
        if again && !error.is_harmless() {
            self.told.store(now.0.max(1), Relaxed);
            voice::event(Level::WARN, move || {
                tracing::warn!(target: "lameduck", peer, %error, "a connection without a good PROXY header was closed");
            });
        } else {
            voice::event(Level::DEBUG, move || {
                tracing::debug!(target: "lameduck", peer, %error, "no PROXY header");
            });
        }
    }
}

impl fmt::Debug for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyProtocol")
            .field("sources", &self.sources)
            .field("header_timeout", &self.header_timeout)
            .finish_non_exhaustive()
    }
}

fn source(text: &str) -> Result<IpNet, BadSource> {
    let one = || text.parse().map(|it: IpAddr| IpNet::from(it));
    text.parse()
        .or_else(|_| one())
        .map_err(|_| BadSource(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expects(sources: &[&str], peer: &str) -> bool {
        let protocol = ProxyProtocol::from_sources(sources).unwrap();
        protocol.expects_header_of(Some(SocketAddr::new(peer.parse().unwrap(), 1)))
    }

    #[test]
    fn a_header_is_expected_from_trusted_sources_alone() {
        let nets = ["10.0.0.0/8", "192.0.2.7", "fd00::/8"];
        for trusted in ["10.200.0.1", "192.0.2.7", "::ffff:10.1.1.1", "fd00::1"] {
            assert!(expects(&nets, trusted), "{trusted}");
        }
        for other in ["11.0.0.1", "192.0.2.8", "::1", "::10.0.0.1"] {
            assert!(!expects(&nets, other), "{other}");
        }
        let anyone = ProxyProtocol::from_anyone();
        assert!(anyone.expects_header_of(Some(([203, 0, 113, 9], 1).into())));
        let bad = ProxyProtocol::from_sources(["10.0.0.1", "10.0.0.0/33"]).unwrap_err();
        assert!(
            bad.to_string().starts_with("`10.0.0.0/33` is no source"),
            "{bad}"
        );
    }
}
