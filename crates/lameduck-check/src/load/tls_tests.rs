//! The client over TLS against bare servers: what the end of a session says of a request.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::h2::{self, H2Script};
use super::http1::Http1;
use super::keep_alive::once;
use super::notebook::Client;
use super::probe;
use super::stage::Stage;
use crate::endpoint::Endpoint;
use crate::ledger::{Connection, Ending, Exchange, Lane, Parting};
use crate::request::RequestTemplate;
use crate::wire::{Trust, Wire};

const CLIENT: Client = Client {
    lane: Lane::KeepAlive,
    number: 1,
};
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
const TO_EOF: &[u8] = b"HTTP/1.1 200 OK\r\n\r\ndone";

pub(super) struct TlsServer {
    pub(super) listener: TcpListener,
    pub(super) acceptor: TlsAcceptor,
    endpoint: Endpoint,
    pub(super) stage: Stage,
}

/// One who may sign for others, under the name of the server all the same: what `openssl req -x509` makes.
fn signer() -> (CertificateParams, KeyPair) {
    let mut signer = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    signer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (signer, KeyPair::generate().unwrap())
}

impl TlsServer {
    /// With a certificate that somebody who is believed has signed.
    pub(super) async fn new(rtt: Duration) -> Self {
        let (signer, signers_key) = signer();
        let trust = Trust::pem(signer.self_signed(&signers_key).unwrap().pem().as_bytes()).unwrap();
        let key = KeyPair::generate().unwrap();
        let wanted = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let cert = wanted.signed_by(&key, &Issuer::new(signer, signers_key));
        Self::showing(cert.unwrap(), key, trust, rtt).await
    }

    async fn showing(cert: Certificate, key: KeyPair, trust: Trust, rtt: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::with(config, listener, trust, rtt)
    }

    /// One that asks for a certificate which this one has signed.
    async fn asking(
        authority: &Certificate,
        trust: Trust,
        cert: &Certificate,
        key: &KeyPair,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            provider.clone(),
        );
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self::with(config, listener, trust, Duration::ZERO)
    }

    fn with(mut config: ServerConfig, listener: TcpListener, trust: Trust, rtt: Duration) -> Self {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let url = format!("https://{}", listener.local_addr().unwrap());
        let endpoint = Endpoint::parse(&url).unwrap().trusting(&trust);
        Self {
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            stage: Stage::new(Wire::new(rtt), endpoint.clone(), 1),
            endpoint,
        }
    }

    pub(super) async fn accept(&self) -> TlsStream<TcpStream> {
        let (stream, _) = self.listener.accept().await.unwrap();
        self.acceptor.accept(stream).await.unwrap()
    }

    async fn request(&self) -> TlsStream<TcpStream> {
        let mut stream = self.accept().await;
        read_head(&mut stream).await;
        stream
    }

    async fn ask(&self, kept: Option<Http1>) -> Option<Http1> {
        let request = RequestTemplate::get("/").keep_response(true);
        once(&self.stage, CLIENT, 1, &request, kept).await
    }

    fn only(&self) -> (Exchange, Connection) {
        let (mut exchanges, mut connections) = self.stage.notebook().take().unwrap();
        assert_eq!((exchanges.len(), connections.len()), (1, 1));
        (exchanges.remove(0), connections.remove(0))
    }

    /// One request answered with these bytes and an end of this kind; what the ledger says of it.
    async fn answering(bytes: &[u8], end: ServerEnd) -> (Exchange, Connection) {
        let server = Self::new(Duration::ZERO).await;
        let serve = async {
            let mut stream = server.request().await;
            stream.write_all(bytes).await.unwrap();
            stream.flush().await.unwrap();
            end.make(stream).await;
        };
        let ask = async {
            if let Some(mut kept) = server.ask(None).await {
                kept.watch().await;
            }
        };
        tokio::join!(serve, ask);
        server.only()
    }
}

/// How a server ends a connection.
#[derive(Clone, Copy)]
enum ServerEnd {
    CloseNotify,
    FinAlone,
    Reset,
}

impl ServerEnd {
    async fn make(self, mut stream: TlsStream<TcpStream>) {
        match self {
            Self::CloseNotify => stream.shutdown().await.unwrap(),
            Self::FinAlone => {
                let (tcp, _) = stream.into_inner();
                rustix::net::shutdown(&tcp, rustix::net::Shutdown::Write).unwrap();
                // The client's own close_notify, unread, would make a reset of it.
                let mut tcp = tcp;
                drop(tcp.read_to_end(&mut Vec::new()).await);
            }
            Self::Reset => {
                let (tcp, _) = stream.into_inner();
                rustix::net::sockopt::set_socket_linger(&tcp, Some(Duration::ZERO)).unwrap();
            }
        }
    }
}

pub(super) async fn read_head(stream: &mut TlsStream<TcpStream>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

#[tokio::test]
async fn a_certificate_that_was_given_is_believed_though_it_says_that_it_signs_others() {
    let (signer, key) = signer();
    let cert = signer.self_signed(&key).unwrap();
    let trust = Trust::pem(cert.pem().as_bytes()).unwrap();
    let server = TlsServer::showing(cert, key, trust, Duration::ZERO).await;
    let (connected, _) = tokio::join!(server.stage.connect(CLIENT), server.accept());
    assert!(connected.is_ok());
}

#[tokio::test]
async fn a_whole_response_and_a_close_notify_are_ok_and_a_fin() {
    let (exchange, connection) = TlsServer::answering(OK, ServerEnd::CloseNotify).await;
    assert_eq!(exchange.ending, Ending::Ok, "{}", exchange.what());
    assert_eq!(connection.parting, Parting::Fin);
}

#[tokio::test]
async fn a_fin_without_close_notify_after_a_whole_response_is_seen_and_loses_nothing() {
    let (exchange, connection) = TlsServer::answering(OK, ServerEnd::FinAlone).await;
    assert_eq!(exchange.ending, Ending::Ok, "{}", exchange.what());
    assert_eq!(connection.parting, Parting::Torn);
}

#[tokio::test]
async fn a_response_up_to_the_end_is_whole_only_with_a_close_notify() {
    let (exchange, _) = TlsServer::answering(TO_EOF, ServerEnd::CloseNotify).await;
    assert_eq!(exchange.ending, Ending::OkClose, "{}", exchange.what());
    let (exchange, connection) = TlsServer::answering(TO_EOF, ServerEnd::FinAlone).await;
    assert_eq!(exchange.ending, Ending::Truncated);
    assert!(
        exchange.what().contains("close_notify"),
        "{}",
        exchange.what()
    );
    assert_eq!(connection.parting, Parting::Torn);
}

#[tokio::test]
async fn an_end_instead_of_a_response_is_lost_whatever_its_kind() {
    for (end, ending, parting) in [
        (
            ServerEnd::CloseNotify,
            Ending::EofBeforeResponse,
            Parting::Fin,
        ),
        (
            ServerEnd::FinAlone,
            Ending::EofBeforeResponse,
            Parting::Torn,
        ),
        (
            ServerEnd::Reset,
            Ending::ResetBeforeResponse,
            Parting::Reset,
        ),
    ] {
        let (exchange, connection) = TlsServer::answering(b"", end).await;
        assert_eq!(exchange.ending, ending, "{}", exchange.what());
        assert_eq!(connection.parting, parting);
    }
}

#[tokio::test]
async fn a_session_ticket_is_no_answer_and_a_kept_connection_carries_on_through_distance() {
    let server = TlsServer::new(Duration::from_millis(20)).await;
    let serve = async {
        let mut stream = server.request().await;
        stream.write_all(OK).await.unwrap();
        read_head(&mut stream).await;
        stream.write_all(OK).await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let ask = async {
        let mut kept = server.ask(None).await;
        assert!(kept.as_mut().is_some_and(Http1::is_open));
        server.ask(kept).await
    };
    let (_open, kept) = tokio::join!(serve, ask);
    assert!(kept.is_some());
    let (exchanges, _) = server.stage.notebook().take().unwrap();
    let endings: Vec<_> = exchanges
        .iter()
        .map(|exchange| (exchange.ending, exchange.reused))
        .collect();
    assert_eq!(endings, [(Ending::Ok, false), (Ending::Ok, true)]);
}

#[tokio::test]
async fn a_close_notify_that_has_arrived_makes_the_client_connect_anew() {
    let server = TlsServer::new(Duration::ZERO).await;
    let serve = async {
        for _ in 0..2 {
            let mut stream = server.request().await;
            stream.write_all(OK).await.unwrap();
            // The session is over, its connection not: only a look into TLS shows that.
            stream.get_mut().1.send_close_notify();
            stream.flush().await.unwrap();
            tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
        }
    };
    let ask = async {
        let mut kept = server.ask(None).await;
        while kept.as_mut().is_some_and(Http1::is_open) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.ask(kept).await
    };
    tokio::join!(serve, ask);
    let (exchanges, connections) = server.stage.notebook().take().unwrap();
    assert!(exchanges.iter().all(|exchange| !exchange.reused));
    assert_eq!(exchanges.len(), 2);
    assert_eq!(connections[0].parting, Parting::Fin);
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake_is_lost_and_not_refused() {
    let server = TlsServer::new(Duration::ZERO).await;
    let serve = async { drop(server.listener.accept().await.unwrap()) };
    tokio::join!(serve, server.ask(None));
    let (exchange, _) = server.only();
    assert!(exchange.ending.is_lost(), "{exchange:?}");
    assert!(
        exchange.what().contains("TLS handshake"),
        "{}",
        exchange.what()
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_turned_down_with_what_to_do() {
    let server = TlsServer::new(Duration::ZERO).await;
    let serve = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        assert!(server.acceptor.accept(stream).await.is_err());
    };
    let stranger = server.endpoint.clone().trusting(&Trust::default());
    let ((), sample) = tokio::join!(serve, probe::look(&stranger));
    let said = sample.status.unwrap_err();
    assert!(said.contains("--ca FILE"), "{said}");
}

#[tokio::test]
async fn a_probe_over_tls_may_believe_anyone() {
    let server = TlsServer::new(Duration::ZERO).await;
    let serve = async {
        let mut stream = server.request().await;
        stream.write_all(OK).await.unwrap();
        stream.flush().await.unwrap();
        stream
    };
    let anyone = server.endpoint.clone().trusting(&Trust::anyone());
    let (_open, sample) = tokio::join!(serve, probe::look(&anyone));
    assert!(sample.is_good(), "{sample:?}");
}

#[tokio::test]
async fn http2_is_agreed_on_by_alpn() {
    let server = TlsServer::new(Duration::ZERO).await;
    let (_keep, slow_at) = tokio::sync::watch::channel(None);
    let script = H2Script {
        quick: vec![RequestTemplate::get("/")],
        slow: Vec::new(),
        slow_at,
    };
    let serve = async {
        let mut connection = ::h2::server::handshake(server.accept().await)
            .await
            .unwrap();
        let mut answered = 0;
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            assert_eq!(request.uri().scheme_str(), Some("https"));
            respond
                .send_response(http::Response::new(()), true)
                .unwrap();
            answered += 1;
            if answered == 8 {
                server.stage.stop();
            }
        }
    };
    let client = Client {
        lane: Lane::H2,
        number: 1,
    };
    tokio::join!(serve, h2::run(server.stage.clone(), client, script));
    let (exchanges, _) = server.stage.notebook().take().unwrap();
    assert!(exchanges.len() >= 8);
    assert!(
        exchanges
            .iter()
            .all(|exchange| exchange.ending == Ending::Ok),
        "{exchanges:?}"
    );
}

#[tokio::test]
async fn a_websocket_over_tls_ends_with_its_handshake_and_a_close_notify() {
    use futures_util::StreamExt;
    use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
    for rtt in [Duration::ZERO, Duration::from_millis(40)] {
        let server = TlsServer::new(rtt).await;
        let serve = async {
            let stream = server.accept().await;
            let mut stream = tokio_tungstenite::accept_async(stream).await.unwrap();
            stream.next().await.unwrap().unwrap();
            server.stage.signalled(std::time::Instant::now());
            let restart = CloseFrame {
                code: CloseCode::Restart,
                reason: "deploy".into(),
            };
            stream.close(Some(restart)).await.unwrap();
            while let Some(Ok(_)) = stream.next().await {}
            ServerEnd::CloseNotify.make(stream.into_inner()).await;
        };
        let client = Client {
            lane: Lane::WebSocket,
            number: 1,
        };
        let run = super::websocket::run(server.stage.clone(), client, "/ws".to_owned(), None);
        tokio::join!(serve, run);
        let socket = server.stage.notebook().take_sockets().remove(0);
        let close = socket.close.unwrap();
        assert_eq!((close.code, close.answered), (Some(1012), true));
        assert_eq!((socket.parting, socket.cut), (Parting::Fin, None));
    }
}

#[tokio::test]
async fn a_certificate_is_shown_to_a_server_that_asks_for_one() {
    let (authority, authoritys_key) = signer();
    let believed = authority.self_signed(&authoritys_key).unwrap();
    let issuer = Issuer::new(authority, authoritys_key);
    let signed = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let wanted = CertificateParams::new([name.to_owned()]).unwrap();
        (wanted.signed_by(&key, &issuer).unwrap(), key)
    };
    let (cert, key) = signed("127.0.0.1");
    let (clients, clients_key) = signed("client");
    let without = Trust::pem(believed.pem().as_bytes()).unwrap();
    let with = without
        .clone()
        .showing(
            clients.pem().as_bytes(),
            clients_key.serialize_pem().as_bytes(),
        )
        .unwrap();
    assert!(!format!("{with:?}").contains("key"));
    for (trust, is_served) in [(with, true), (without.clone(), false)] {
        let server = TlsServer::asking(&believed, trust, &cert, &key).await;
        let serve = async {
            let (stream, _) = server.listener.accept().await.unwrap();
            if let Ok(mut stream) = server.acceptor.accept(stream).await {
                read_head(&mut stream).await;
                stream.write_all(OK).await.unwrap();
                stream.flush().await.unwrap();
            }
        };
        tokio::join!(serve, server.ask(None));
        let (exchange, _) = server.only();
        assert_eq!(
            exchange.ending.is_answered(),
            is_served,
            "{}",
            exchange.what()
        );
    }
    let wrong = without.showing(clients.pem().as_bytes(), key.serialize_pem().as_bytes());
    assert!(wrong.is_err(), "a key of another certificate");
}
