//! Clients that show who they are in their TLS handshake.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use lameduck::{ConnectionInfo, Exit, Http, Lifecycle, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::certificates::{Files, session};
use crate::client::Client;
use crate::in_process::{ANYWHERE, Server};

/// Somebody who signs the certificates of clients.
struct Authority {
    signs: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A client's certificate and its key.
struct Identity(CertificateDer<'static>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signs = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority { signs, folder };
        std::fs::write(authority.file(), authority.signs.pem()).unwrap();
        authority
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clients.pem")
    }

    fn identity(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.signs).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Identity(certificate.der().clone(), key)
    }
}

/// The first certificate of the client, and what else the handshake said.
async fn who(info: ConnectionInfo) -> String {
    assert!(info.is_tls());
    let certificate = info.peer_certificates().map(|them| them[0].to_vec());
    format!(
        "{} {} {:?}",
        info.server_name().unwrap_or("nobody"),
        String::from_utf8_lossy(info.alpn_protocol().unwrap_or(b"none")),
        certificate
    )
}

fn server(tls: Tls) -> Server {
    let app = Router::new().route("/", get(who));
    Server::of(
        Http::new("api", ANYWHERE, app)
            .with_connection_info()
            .tls(tls),
    )
}

/// What a client with this certificate is answered; an error if it is refused.
fn answer(files: &Files, server: &Server, identity: Option<&Identity>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(files.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some(Identity(certificate, key)) => config
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
            .unwrap(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let socket = std::net::TcpStream::connect(&server.address).unwrap();
    let mut client = Client::tls(session(Arc::new(config)), socket);
    client.try_send(crate::client::get("/"))?;
    client.try_answer().map(|it| it.text())
}

#[test]
fn a_client_certificate_is_required_and_the_handler_sees_it() {
    let (files, authority) = (Files::new(), Authority::new());
    let tls = Tls::files(files.cert(), files.key());
    let server = server(tls.require_client_certificates(authority.file()));
    let identity = authority.identity();
    let expected = format!("localhost http/1.1 {:?}", Some(identity.0.to_vec()));
    assert_eq!(answer(&files, &server, Some(&identity)).unwrap(), expected);

    let refused = answer(&files, &server, None).unwrap_err().to_string();
    assert!(refused.contains("CertificateRequired"), "{refused}");
    let stranger = Authority::new().identity();
    let refused = answer(&files, &server, Some(&stranger)).unwrap_err();
    assert!(refused.to_string().contains("fatal alert"), "{refused}");
    server.ends_clean();
}

#[test]
fn a_client_certificate_is_asked_for_and_need_not_be_there() {
    let (files, authority) = (Files::new(), Authority::new());
    let tls = Tls::files(files.cert(), files.key());
    let server = server(tls.request_client_certificates(authority.file()));
    let identity = authority.identity();
    let shown = answer(&files, &server, Some(&identity)).unwrap();
    assert!(shown.contains("Some("), "{shown}");
    let none = answer(&files, &server, None).unwrap();
    assert_eq!(none, "localhost http/1.1 None");
    let stranger = Authority::new().identity();
    answer(&files, &server, Some(&stranger)).unwrap_err();
    server.ends_clean();
}

#[test]
fn authorities_that_cannot_be_used_are_refused_before_anything_listens() {
    let files = Files::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = || Tls::files(files.cert(), files.key());
    for bad in [
        pair().require_client_certificates("/no/such/file"),
        pair().require_client_certificates(files.key()),
        Tls::config(of_ones_own(&files)).require_client_certificates(files.cert()),
    ] {
        let http = Http::new("api", ANYWHERE, Router::new()).tls(bad);
        let life = Lifecycle::embedded().component(http);
        assert_eq!(runtime.block_on(life.run()), Exit::BAD_CONFIGURATION);
    }
}

fn of_ones_own(files: &Files) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    let key = PrivateKeyDer::from_pem_file(files.key()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![files.certificate.clone()], key)
        .unwrap();
    Arc::new(config)
}
