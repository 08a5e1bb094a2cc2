//! TLS over a wire, as strict about its end as the rest: a close_notify, a FIN without one, and a RST are three
//! different things.
//!
//! What always holds:
//! - A look takes no byte from whoever reads next, and is as fresh as one at a plain socket: what the kernel has is
//!   fed to the session first, so that neither a session ticket passes for a response nor an old readiness hides
//!   a close_notify.
//! - Whatever ends without a close_notify is told as an error by the next read ([`io::ErrorKind::UnexpectedEof`]),
//!   and so cannot be taken for the end of a body (RFC 8446, 6.1).
//! - A dropped connection says close_notify, as real clients do.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncWrite;
use tokio_rustls::TlsConnector;

use super::forward::forward_io;
use super::verifier::{Believed, Verifier};
use super::{LineState, WireStream};

/// What is spoken over TLS, as ALPN says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`
    Http1,
    /// `h2`
    H2,
}

/// Whose certificates are believed, and which one is shown. Nobody's and none, unless made otherwise.
#[derive(Clone)]
pub struct Trust {
    verifier: Arc<Verifier>,
    http1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key of a client's certificate, whoever holds it.
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::of(Believed::These {
            given: Vec::new(),
            signers: None,
        })
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.http1, &other.http1)
    }
}

impl Eq for Trust {}

impl Trust {
    /// Certificates signed by one of these, or these themselves: PEM, as many as there are.
    ///
    /// # Errors
    /// When the text holds no certificate, or one that cannot be read.
    pub fn pem(text: &[u8]) -> Result<Self, String> {
        Self::believing(RootCertStore::empty(), certificates(text)?)
    }

    /// Certificates that this machine believes, as its other programs do: the system's own, or `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR`. Blocks while they are read.
    ///
    /// # Errors
    /// When there are none.
    pub fn system() -> Result<Self, String> {
        let roots = system_roots();
        match roots.is_empty() {
            true => Err("this machine has no certificates of its own".to_owned()),
            false => Self::believing(roots, Vec::new()),
        }
    }

    /// As [`pem`](Self::pem), beside those of [`system`](Self::system), if there are any.
    ///
    /// # Errors
    /// Those of [`pem`](Self::pem).
    pub fn pem_and_system(text: &[u8]) -> Result<Self, String> {
        Self::believing(system_roots(), certificates(text)?)
    }

    fn believing(
        mut roots: RootCertStore,
        given: Vec<CertificateDer<'static>>,
    ) -> Result<Self, String> {
        for certificate in &given {
            let added = roots.add(certificate.clone());
            added.map_err(|error| error.to_string())?;
        }
        let roots = Arc::new(roots);
        let signers = WebPkiServerVerifier::builder_with_provider(roots, provider());
        let signers = Some(signers.build().map_err(|error| error.to_string())?);
        Ok(Self::of(Believed::These { given, signers }))
    }

    /// The same, with a certificate that is shown to servers which ask for one: itself and what is between it and who
    /// signed it, and its key, both PEM.
    ///
    /// # Errors
    /// When either cannot be read, or they do not belong together. The error has nothing of the key in it.
    pub fn showing(self, certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "the key is no private key in PEM".to_owned())?;
        Self::with(self.verifier, Some((chain, key)))
    }

    /// Any certificate, of whomever, for whichever name: for a target that signs its own.
    pub fn anyone() -> Self {
        Self::of(Believed::Anyone)
    }

    fn of(believed: Believed) -> Self {
        let provider = provider();
        let verifier = Arc::new(Verifier { provider, believed });
        // Nothing is read, and the default versions are what this provider is made for.
        Self::with(verifier, None).unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn with(
        verifier: Arc<Verifier>,
        shown: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, String> {
        let config = |alpn: &[u8]| {
            let builder = ClientConfig::builder_with_provider(verifier.provider.clone())
                .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
                .dangerous()
                .with_custom_certificate_verifier(verifier.clone());
            let mut config = match &shown {
                Some((chain, key)) => {
                    builder.with_client_auth_cert(chain.clone(), key.clone_key())?
                }
                None => builder.with_no_client_auth(),
            };
            config.alpn_protocols = vec![alpn.to_vec()];
            Ok(Arc::new(config))
        };
        let told = |error: rustls::Error| error.to_string();
        Ok(Self {
            http1: config(b"http/1.1").map_err(told)?,
            h2: config(b"h2").map_err(told)?,
            verifier,
        })
    }

    /// Shakes hands over an established connection. `authority` is the host and port that were asked for.
    ///
    /// # Errors
    /// Those of the connection; `UnexpectedEof` when it ended in the middle; `InvalidData` for what TLS itself does
    /// not like, a certificate that is not believed among it.
    pub async fn secure(
        &self,
        wire: WireStream,
        authority: &str,
        protocol: Protocol,
    ) -> io::Result<TlsStream> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::H2 => &self.h2,
        };
        let host = host(authority);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        match TlsConnector::from(config.clone()).connect(name, wire).await {
            Ok(stream) => Ok(TlsStream(stream)),
            Err(error) if is_about_trust(&error) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{error}: name who signed it with --ca FILE, or give --insecure"),
            )),
            Err(error) => Err(error),
        }
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let given: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let given = given.map_err(|error| error.to_string())?;
    match given.is_empty() {
        true => Err("it holds no certificate".to_owned()),
        false => Ok(given),
    }
}

/// What cannot be read is left out, as other programs do.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The name in front of a port, if there is one: an IPv6 address has colons of its own.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn is_about_trust(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

/// A connection with TLS on it.
#[derive(Debug)]
pub struct TlsStream(tokio_rustls::client::TlsStream<WireStream>);

impl TlsStream {
    /// As [`WireStream::look`]: what has arrived for whoever reads next.
    pub fn look(&mut self) -> LineState {
        let (wire, session) = self.0.get_mut();
        loop {
            match session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() > 0 => return LineState::Data,
                Ok(state) if state.peer_has_closed() => return LineState::Fin,
                Ok(_) => {}
                // Nothing that a request could be sent into; the next read says what it was.
                Err(_) => return LineState::Data,
            }
            match session.read_tls(&mut wire.now()) {
                Ok(0) => return LineState::Torn,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return LineState::Open,
                Err(_) => return LineState::Reset,
            }
        }
    }

    /// Looks below TLS: whether the connection was reset after all.
    pub(super) fn is_reset(&mut self) -> bool {
        self.0.get_mut().0.look() == LineState::Reset
    }

    pub(super) fn wire(&self) -> &WireStream {
        self.0.get_ref().0
    }

    /// Whether the server has agreed to speak HTTP/2.
    pub fn speaks_h2(&self) -> bool {
        self.0.get_ref().1.alpn_protocol() == Some(b"h2")
    }
}

forward_io!(TlsStream: it => &mut it.0, stream in stream);

impl Drop for TlsStream {
    fn drop(&mut self) {
        // As far as it can be done without waiting; a server that reads nothing gets the FIN alone.
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.0).poll_shutdown(&mut cx);
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_name_is_told_from_its_port() {
        for (authority, name) in [
            ("shop.example:8443", "shop.example"),
            ("shop.example", "shop.example"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:8443", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(authority), name);
        }
    }
}
