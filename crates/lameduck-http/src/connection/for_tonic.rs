//! What `tonic::Request::remote_addr` and `peer_certs` look for in a request.

use http::Extensions;
use tonic::transport::server::TcpConnectInfo;

use super::conn::Conn;

/// The addresses of a connection, in tonic's own type.
pub(crate) fn tcp_info(conn: &Conn) -> TcpConnectInfo {
    let facts = conn.facts();
    TcpConnectInfo {
        local_addr: facts.and_then(|it| it.local.tcp()),
        remote_addr: facts.and_then(|it| it.peer.tcp()),
    }
}

pub(crate) fn insert_into(extensions: &mut Extensions, conn: &Conn) {
    extensions.insert(tcp_info(conn));
    #[cfg(feature = "rustls")]
    if let Some(tls) = conn.tls_facts() {
        extensions.insert(tls.tonic.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use lameduck_core::{Exit, Handle, Lifecycle};
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio::io::{AsyncRead, AsyncWrite};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;
    use tonic::service::interceptor::InterceptedService;
    use tonic::{Request, Status};

    use crate::{Http, Tls};

    /// Calls a method of a service that answers each call with what it knows of its client.
    async fn told(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> String {
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let call = http::Request::post("http://test/grpc.health.v1.Health/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (answer, mut message) = client.send_request(call, false).unwrap();
        message
            .send_data(Bytes::from_static(&[0; 5]), true)
            .unwrap();
        let answer = answer.await.unwrap();
        let text = answer.headers()["grpc-message"].to_str().unwrap();
        let text = text.replace("%3A", ":").replace("%20", " ");
        drop((client, message, answer));
        let _ = connection.await;
        text
    }

    /// What tonic knows of a client's address and certificates.
    fn known(request: &Request<()>) -> String {
        let who = request.remote_addr().map(|it| it.to_string());
        // What `Request::peer_certs` does, which takes one of tonic's own TLS features.
        let tls = request.extensions().get::<crate::tls::TonicTlsInfo>();
        let certificates = tls.and_then(|it| it.peer_certs()).map_or(0, |it| it.len());
        format!("{} {certificates}", who.unwrap_or_default())
    }

    /// A server that answers each call with what is known of its client.
    struct TonicServer {
        handle: Handle,
        address: String,
        running: JoinHandle<Exit>,
    }

    impl TonicServer {
        async fn start(tls: Option<Tls>) -> TonicServer {
            let (_, health) = tonic_health::server::health_reporter();
            let says_who = |request: Request<()>| -> Result<Request<()>, Status> {
                Err(Status::aborted(known(&request)))
            };
            let service = InterceptedService::new(health, says_who);
            let mut http = Http::new("api", "127.0.0.1:0", service);
            if let Some(tls) = tls {
                http = http.tls(tls);
            }
            let life = Lifecycle::embedded().component(http);
            let handle = life.handle();
            let running = tokio::spawn(life.run());
            let address = loop {
                match handle.address("api") {
                    Some(address) => break address,
                    None => tokio::task::yield_now().await,
                }
            };
            TonicServer {
                handle,
                address,
                running,
            }
        }

        async fn ends_clean(self) {
            self.handle.shutdown("asked enough");
            assert_eq!(self.running.await.unwrap(), Exit::CLEAN);
        }
    }

    #[tokio::test]
    async fn tonic_knows_the_clients_address() {
        let server = TonicServer::start(None).await;
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let own = stream.local_addr().unwrap();
        assert_eq!(told(stream).await, format!("{own} 0"));
        server.ends_clean().await;
    }

    #[tokio::test]
    async fn tonic_knows_the_clients_address_and_certificates_over_tls() {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signs = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &signs).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        std::fs::write(file("ca.pem"), signs.pem()).unwrap();
        std::fs::write(file("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(file("tls.key"), key.serialize_pem()).unwrap();
        let tls = Tls::files(file("tls.crt"), file("tls.key"));
        let server =
            TonicServer::start(Some(tls.require_client_certificates(file("ca.pem")))).await;

        let mut roots = rustls::RootCertStore::empty();
        roots.add(signs.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let own = stream.local_addr().unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(told(stream).await, format!("{own} 1"));
        server.ends_clean().await;
    }
}
