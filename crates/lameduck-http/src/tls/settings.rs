//! What an application says about TLS.

use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::clients::ClientAuthorities;
use super::files::{Bad, Files};
use super::provider::provider;
use super::reload::Reload;

/// How a server speaks TLS: give it to [`Http::tls`](crate::Http::tls).
///
/// ```no_run
/// # use lameduck_core::Lifecycle;
/// # use lameduck_http::{Http, Tls};
/// # async fn run() -> lameduck_core::Exit {
/// let api = Http::new("api", "0.0.0.0:8443", lameduck_http::doc::Hello)
///     .tls(Tls::files("/etc/tls/tls.crt", "/etc/tls/tls.key"));
/// Lifecycle::new().component(api).run().await
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tls {
    source: CertificateSource,
    clients: Option<ClientAuthorities>,
    pub(crate) handshake_timeout: Duration,
}

#[derive(Clone, Debug)]
enum CertificateSource {
    Files(Files),
    Config(Arc<ServerConfig>),
}

impl Tls {
    /// TLS 1.2 and 1.3, as far as the provider of cryptography knows them, with a certificate chain (the server's own first) and its private key (PKCS#8,
    /// PKCS#1 or SEC1) from PEM files; HTTP/2 and HTTP/1.1 by ALPN; clients are not asked for
    /// certificates.
    ///
    /// The files are read when the server starts; if they cannot be used the process does not start
    /// (exit 2), and says what was expected. Every 2 s they are looked at, and if they have changed,
    /// new connections get the new certificate. A pair that is not whole or does not belong together
    /// is not used: the one before stays, and the log has a warning.
    ///
    /// The cryptography is that of the provider that the process has installed before the server starts
    /// ([`CryptoProvider::install_default`](rustls::crypto::CryptoProvider::install_default)), such as `aws-lc-rs`; else
    /// `ring`, with feature `rustls-ring`; else the process does not start (exit 2). Which providers other crates have
    /// rustls built with makes no difference, and none is installed.
    pub fn files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Tls {
        Tls::with(CertificateSource::Files(Files {
            certificate: certificate.into(),
            key: key.into(),
        }))
    }

    /// A configuration of your own, used as it is, with its own provider. Its
    /// [`alpn_protocols`](ServerConfig::alpn_protocols) say what is spoken: for HTTP/2 there must be `h2` in them, usually
    /// before `http/1.1`; where there are none a client's first bytes decide.
    pub fn config(config: impl Into<Arc<ServerConfig>>) -> Tls {
        Tls::with(CertificateSource::Config(config.into()))
    }

    fn with(source: CertificateSource) -> Tls {
        Tls {
            source,
            clients: None,
            handshake_timeout: Duration::from_secs(10),
        }
    }

    /// Asks each client for a certificate (mTLS). One that has none, or none that an authority in this PEM file
    /// has signed, is refused in the handshake. A handler finds it in
    /// [`ConnectionInfo::peer_certificates`](crate::ConnectionInfo::peer_certificates).
    ///
    /// The file is read when the server starts, and not again. A configuration of one's own ([`Tls::config`])
    /// says this itself; with one the process does not start (exit 2).
    pub fn require_client_certificates(mut self, authorities: impl Into<PathBuf>) -> Tls {
        self.clients = Some(ClientAuthorities::new(authorities.into(), true));
        self
    }

    /// The same, but a client that has no certificate is served too. One that is signed by nobody in the file is
    /// refused.
    pub fn request_client_certificates(mut self, authorities: impl Into<PathBuf>) -> Tls {
        self.clients = Some(ClientAuthorities::new(authorities.into(), false));
        self
    }

    /// How long a peer may take from the connection to the end of its handshake; more than zero. Default: 10 s.
    /// One that takes longer is cut off, to within a second; once nothing else is in flight during a
    /// shutdown, 2 s after its first byte.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Tls {
        self.handshake_timeout = timeout;
        self
    }

    /// Reads the files. What it returns besides keeps them up to date, for ever.
    pub(crate) fn start(
        self,
    ) -> Result<(TlsAcceptor, impl Future<Output = Infallible> + Send), String> {
        let (config, reload) = match self.source {
            CertificateSource::Config(_) if self.clients.is_some() => {
                return Err("client certificates: a `ServerConfig` of one's own asks for them itself; expected them in its `with_client_cert_verifier`, or `Tls::files`".to_owned());
            }
            CertificateSource::Config(config) => (config, None),
            CertificateSource::Files(files) => {
                let (config, reload) =
                    configured(files, self.clients).map_err(|bad| bad.to_string())?;
                (Arc::new(config), Some(reload))
            }
        };
        let watch = async move {
            match reload {
                Some(reload) => reload.watch().await,
                None => pending().await,
            }
        };
        Ok((config.into(), watch))
    }
}

impl From<Arc<ServerConfig>> for Tls {
    fn from(config: Arc<ServerConfig>) -> Tls {
        Tls::config(config)
    }
}

fn configured(
    files: Files,
    clients: Option<ClientAuthorities>,
) -> Result<(ServerConfig, Reload), Bad> {
    let provider = provider()?;
    let reload = Reload::of(files, provider.clone())?;
    let clients = match clients {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(authorities) => authorities.verifier(&provider)?,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Bad::Provider(error.to_string()))?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(reload.current());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, reload))
}
