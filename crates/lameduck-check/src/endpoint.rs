//! Where a server listens, read from a URL.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::headers::Headers;
use crate::wire::{Destination, Trust, Wire, WireStream};

/// An `http://` or `https://` address, resolved once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What goes into the `Host` header: host and port as the URL wrote them. Over TLS the host is the name that the
    /// certificate has to have.
    pub authority: String,
    /// Where connections go: of several addresses of a name the first, those of IPv4 before those of IPv6.
    pub address: SocketAddr,
    /// The other addresses of the name. Connections go to all that the target serves, in turn.
    pub more_addresses: Vec<SocketAddr>,
    /// The Unix socket where connections go instead of to any address.
    pub unix: Option<PathBuf>,
    /// What is looked up to find that, host and port; `None` if the URL has the address itself.
    pub name: Option<String>,
    /// Path and query, `/` when the URL has none.
    pub path: String,
    /// Whose certificates are believed there; `None` where no TLS is spoken.
    pub tls: Option<Trust>,
    /// What goes with every request that is sent there.
    pub headers: Headers,
}

/// Why a URL cannot be used.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// Not a URL at all, or without scheme or host.
    #[error("`{url}` is not a URL; expected something like http://127.0.0.1:8080/readyz")]
    NotAUrl {
        /// The text that was given.
        url: String,
    },
    /// A name and a password in front of the host. Not shown.
    #[error(
        "the URL has a name or a password in it; give --header 'Authorization: Basic …' instead"
    )]
    UserInfo,
    /// A scheme other than `http` or `https`.
    #[error("`{url}` starts with `{scheme}`; expected http:// or https://")]
    Scheme {
        /// The text that was given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// The host name has no address.
    #[error(
        "`{url}`: the host has no address ({reason}); give an IP address, or a name this machine knows"
    )]
    Unresolved {
        /// The text that was given.
        url: String,
        /// What the resolver said.
        reason: std::io::Error,
    },
}

impl Endpoint {
    /// Reads `http://host[:port][/path]`; the port is 80 unless given, 443 for `https`. `ws` and `wss` say the same
    /// as `http` and `https`. No certificate is believed until [`trusting`](Self::trusting) says whose.
    ///
    /// Looks the host up, and so may block for as long as the system's resolver does.
    ///
    /// # Errors
    /// When the text is no URL, is neither `http` nor `https`, or its host has no address.
    ///
    /// ```
    /// let endpoint = lameduck_check::Endpoint::parse("http://127.0.0.1:8080/readyz")?;
    /// assert_eq!(endpoint.path, "/readyz");
    /// # Ok::<(), lameduck_check::EndpointError>(())
    /// ```
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let not_a_url = || EndpointError::NotAUrl {
            url: url.to_owned(),
        };
        let uri: http::Uri = url.parse().map_err(|_| not_a_url())?;
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err(EndpointError::UserInfo);
        }
        let scheme = uri.scheme_str().ok_or_else(not_a_url)?;
        let (tls, usual) = match scheme {
            "http" | "ws" => (None, 80),
            "https" | "wss" => (Some(Trust::default()), 443),
            _ => {
                return Err(EndpointError::Scheme {
                    url: url.to_owned(),
                    scheme: scheme.to_owned(),
                });
            }
        };
        let host = uri.host().ok_or_else(not_a_url)?;
        let port = uri.port_u16().unwrap_or(usual);
        let unresolved = |reason| EndpointError::Unresolved {
            url: url.to_owned(),
            reason,
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut addresses = Vec::new();
        for address in (bare, port).to_socket_addrs().map_err(unresolved)? {
            // Some resolvers say the same one once for each protocol.
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.sort_by_key(SocketAddr::is_ipv6);
        if addresses.is_empty() {
            return Err(unresolved(std::io::ErrorKind::NotFound.into()));
        }
        let address = addresses.remove(0);
        Ok(Self {
            authority: match uri.port_u16() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            },
            address,
            more_addresses: addresses,
            unix: None,
            name: bare
                .parse::<IpAddr>()
                .is_err()
                .then(|| format!("{bare}:{port}")),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            tls,
            headers: Headers::default(),
        })
    }

    /// The same, with these certificates believed where TLS is spoken.
    #[must_use]
    pub fn trusting(self, trust: &Trust) -> Self {
        Self {
            tls: self.tls.map(|_| trust.clone()),
            ..self
        }
    }

    /// Its path, to go before another one: empty where the URL has none.
    pub(crate) fn base(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// Whether it is the same place as another: what is secret there is no secret here.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        let is_there = match (&self.unix, &other.unix) {
            (None, None) => self.address == other.address,
            (mine, theirs) => mine == theirs,
        };
        is_there && self.tls.is_some() == other.tls.is_some()
    }

    /// The same, with all connections over this Unix socket.
    #[must_use]
    pub fn over_unix(self, socket: &Path) -> Self {
        Self {
            unix: Some(socket.to_owned()),
            ..self
        }
    }

    /// Everywhere that connections may go.
    pub(crate) fn destinations(&self) -> Vec<Destination> {
        match &self.unix {
            Some(path) => vec![Destination::Unix(path.clone())],
            None => std::iter::once(self.address)
                .chain(self.more_addresses.iter().copied())
                .map(Destination::Tcp)
                .collect(),
        }
    }

    /// Connects to the first destination that takes connections, without any distance.
    pub(crate) async fn connect(&self) -> std::io::Result<WireStream> {
        let mut first = None;
        for destination in self.destinations() {
            match Wire::default().connect(destination).await {
                Ok(stream) => return Ok(stream),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()))
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        match self.tls {
            None => "http",
            Some(_) => "https",
        }
    }

    /// The URL again, as far as it matters.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_path_or_port_gets_the_usual_ones() {
        let endpoint = Endpoint::parse("http://127.0.0.1").unwrap();
        assert_eq!(endpoint.path, "/");
        assert_eq!(endpoint.address.port(), 80);
    }

    #[test]
    fn https_and_wss_speak_tls_on_their_own_port_and_believe_nobody_yet() {
        for url in ["https://127.0.0.1", "wss://127.0.0.1"] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(endpoint.address.port(), 443);
            assert!(endpoint.tls.is_some());
        }
    }

    #[test]
    fn an_ipv6_address_is_understood() {
        let endpoint = Endpoint::parse("http://[::1]:8080/x?y=1").unwrap();
        assert_eq!(endpoint.address, "[::1]:8080".parse().unwrap());
        assert_eq!(endpoint.authority, "[::1]:8080");
        assert_eq!(endpoint.path, "/x?y=1");
    }

    #[test]
    fn a_wrong_url_is_named_with_what_was_expected() {
        for (url, expected) in [
            ("127.0.0.1:8080", "expected something like http://"),
            ("nonsense", "expected something like http://"),
            ("ftp://127.0.0.1:21", "expected http:// or https://"),
        ] {
            let error = Endpoint::parse(url).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(expected), "{error}");
        }
    }
}
