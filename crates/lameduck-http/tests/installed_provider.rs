//! A provider that the process has installed is the one whose cryptography is used, though another is built in.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use lameduck_core::{Exit, Lifecycle, Phase};
use lameduck_http::doc::Hello;
use lameduck_http::{Http, Tls};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

struct Pair {
    folder: tempfile::TempDir,
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Pair {
    fn new() -> Pair {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("crt"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        Pair { folder, made }
    }

    fn files(&self) -> Tls {
        Tls::files(
            self.folder.path().join("crt"),
            self.folder.path().join("key"),
        )
    }

    /// The suite and the protocol that a client and a server with `tls` agree on.
    async fn agreed(&self, tls: Tls) -> (CipherSuite, Option<Vec<u8>>) {
        let server = Http::new("api", "127.0.0.1:0", Hello).tls(tls);
        let life = Lifecycle::embedded().component(server);
        let handle = life.handle();
        let running = tokio::spawn(life.run());
        handle.phases().reached(Phase::Ready).await;
        let mut roots = RootCertStore::empty();
        roots.add(self.made.cert.der().clone()).unwrap();
        let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let socket = TcpStream::connect(handle.address("api").unwrap())
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(client))
            .connect(name, socket)
            .await
            .unwrap();
        let session = stream.get_ref().1;
        let agreed = (
            session.negotiated_cipher_suite().unwrap().suite(),
            session.alpn_protocol().map(<[u8]>::to_vec),
        );
        drop(stream);
        handle.shutdown("test");
        assert_eq!(running.await.unwrap(), Exit::CLEAN);
        agreed
    }
}

#[tokio::test]
async fn the_built_in_one_until_one_is_installed_and_a_given_configuration_has_its_own() {
    let pair = Pair::new();
    let (suite, alpn) = pair.agreed(pair.files()).await;
    assert_ne!(suite, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    assert_eq!(alpn.as_deref(), Some(&b"h2"[..]));

    // Made of ring's parts, and told by the only suite that it has. It knows no TLS 1.2.
    let mut other = default_provider();
    other.cipher_suites = vec![cipher_suite::TLS13_CHACHA20_POLY1305_SHA256];
    other.install_default().unwrap();
    let (suite, _) = pair.agreed(pair.files()).await;
    assert_eq!(suite, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);

    let mut own = default_provider();
    own.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    let mut own = ServerConfig::builder_with_provider(Arc::new(own))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![pair.made.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(pair.made.signing_key.serialize_der())
                .unwrap(),
        )
        .unwrap();
    own.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (suite, alpn) = pair.agreed(Tls::config(own)).await;
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert_eq!(alpn.as_deref(), Some(&b"http/1.1"[..]));
}
