//! Certificates made for a test, and clients that trust them.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use crate::client::Client;
use crate::service::{PATIENT, Service, Start};

/// The files of a certificate and its key, as a server is given them.
pub struct Files {
    folder: tempfile::TempDir,
    /// What they have in them now.
    pub certificate: CertificateDer<'static>,
}

impl Files {
    /// A fresh pair.
    pub fn new() -> Files {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files {
            folder,
            certificate: CertificateDer::from(Vec::new()),
        };
        let (certificate, key) = files.renew();
        std::fs::write(files.cert(), certificate).unwrap();
        std::fs::write(files.key(), key).unwrap();
        files
    }

    /// Makes another pair without writing it.
    pub fn renew(&mut self) -> (String, String) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.certificate = pair.cert.der().clone();
        (pair.cert.pem(), pair.signing_key.serialize_pem())
    }

    pub fn cert(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    /// The service with these files, and a grace of [`PATIENT`]: handshakes cost more than a second where there
    /// is much else to do.
    pub fn start(&self, args: &[&str]) -> Start {
        let (cert, key) = (self.cert(), self.key());
        let mut all = vec![
            "--tls-cert",
            cert.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ];
        all.extend(args);
        Start::new(&all).env("LAMEDUCK_GRACE", &format!("{}s", PATIENT.as_secs()))
    }

    /// Who trusts this certificate, and offers these protocols.
    pub fn trusted(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The client's side of a session that has not begun.
    pub fn session(&self) -> ClientConnection {
        session(self.trusted(rustls::ALL_VERSIONS, &["http/1.1"]))
    }

    /// A client whose handshake is done with its first bytes.
    pub fn client(&self, service: &Service) -> Client {
        self.client_of(&service.api)
    }

    /// The same, of a server at this address.
    pub fn client_of(&self, address: &str) -> Client {
        Client::tls(self.session(), TcpStream::connect(address).unwrap())
    }

    /// A client that has had an answer.
    pub fn used_client(&self, service: &Service) -> Client {
        let mut client = self.client(service);
        let answer = client.get("/");
        assert_eq!(answer.text(), "hello");
        assert!(!answer.says_close());
        client
    }
}

pub fn session(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap()
}

pub fn connect(service: &Service) -> TcpStream {
    TcpStream::connect(&service.api).unwrap()
}
