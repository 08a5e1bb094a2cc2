//! Behind a proxy that says for whom a connection is, with our own server and with our listener.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::serve::ListenerExt;
use lameduck::{ConnectionAddr, ConnectionInfo, Http, Listener, ProxyProtocol, Tls, TrackLayer};
use proxy_header::{ProxiedAddress, ProxyHeader};

use crate::certificates::{Files, session};
use crate::client::{Client, get as head_of};
use crate::in_process::{ANYWHERE, Server};
use crate::service::{Service, Start};

const CLIENT: &str = "192.0.2.1:4711";
const BALANCER: &str = "198.51.100.2:443";

/// Who the handler thinks that its client is.
fn app() -> Router {
    Router::new().route(
        "/",
        get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
    )
}

/// The same and all else that is known.
async fn all(info: ConnectionInfo) -> String {
    let proxy = match info.proxy() {
        Some(ConnectionAddr::Tcp(addr)) => addr.to_string(),
        Some(other) => format!("{other:?}"),
        None => "none".to_owned(),
    };
    let text = |addr: Option<SocketAddr>| addr.map_or("none".to_owned(), |it| it.to_string());
    format!(
        "{} {} {proxy}",
        text(info.peer_addr()),
        text(info.local_addr())
    )
}

fn ours(protocol: ProxyProtocol) -> Server {
    let app = app().route("/all", get(all));
    let http = Http::new("api", ANYWHERE, app).with_connection_info();
    Server::of(http.proxy_protocol(protocol))
}

fn of_axum(protocol: ProxyProtocol) -> Server {
    let socket = std::net::TcpListener::bind(ANYWHERE).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    Server::at(address, |life| {
        life.task("api", |handle| async move {
            let listener = Listener::new(&handle, socket)?.proxy_protocol(protocol);
            let closed = listener.closed();
            let app = app()
                .layer(TrackLayer::new(&handle))
                .into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(listener.tap_io(|_| ()), app).with_graceful_shutdown(closed);
            tokio::select! {
                ended = served => ended,
                () = handle.until_drain_deadline() => Ok(()),
            }
        })
    })
}

/// Either server.
const SERVERS: [fn(ProxyProtocol) -> Server; 2] = [ours, of_axum];

fn v1() -> Vec<u8> {
    b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n".to_vec()
}

fn v2() -> Vec<u8> {
    let addresses = ProxiedAddress::stream(CLIENT.parse().unwrap(), BALANCER.parse().unwrap());
    let mut header = Vec::new();
    ProxyHeader::with_address(addresses)
        .encode_v2(&mut header)
        .unwrap();
    header
}

fn local() -> Vec<u8> {
    let mut header = Vec::new();
    ProxyHeader::with_local().encode_v2(&mut header).unwrap();
    header
}

/// Who the client of a connection is that begins so, as the handler says on its first and its second request.
#[track_caller]
fn client_of(server: &Server, header: &[u8]) -> (String, String) {
    let mut client = server.client();
    let own = format!("127.0.0.1:{}", client.port());
    client.send([header, head_of("/").as_bytes()].concat());
    let first = client.answer().text();
    assert_eq!(client.get("/").text(), first);
    (first, own)
}

#[test]
fn the_client_is_who_the_header_says() {
    for server in SERVERS {
        let server = server(ProxyProtocol::from_anyone());
        for header in [v1(), v2()] {
            assert_eq!(client_of(&server, &header).0, CLIENT);
        }
        for header in [local(), b"PROXY UNKNOWN\r\n".to_vec()] {
            let (told, own) = client_of(&server, &header);
            assert_eq!(told, own);
        }
        server.ends_clean();
    }
}

#[test]
fn a_handler_sees_the_proxy_too() {
    let server = ours(ProxyProtocol::from_anyone());
    let mut client = server.client();
    let own = format!("127.0.0.1:{}", client.port());
    client.send(v2());
    assert_eq!(
        client.get("/all").text(),
        format!("{CLIENT} {BALANCER} {own}")
    );
    let mut client = server.client();
    let own = format!("127.0.0.1:{}", client.port());
    client.send(local());
    let told = format!("{own} {} none", server.address);
    assert_eq!(client.get("/all").text(), told);
    server.ends_clean();
}

#[test]
fn a_header_is_read_over_a_unix_socket_and_before_tls() {
    let folder = tempfile::tempdir().unwrap();
    let bind = format!("unix:{}", folder.path().join("s.sock").display());
    // Who may connect says the file.
    let nobody = ProxyProtocol::from_sources::<&str>([]).unwrap();
    let http = Http::new("api", bind.as_str(), app()).with_connection_info();
    let server = Server::of(http.proxy_protocol(nobody));
    let mut client = server.client();
    client.send(v1());
    assert_eq!(client.get("/").text(), CLIENT);
    server.ends_clean();

    let files = Files::new();
    let http = Http::new("api", ANYWHERE, app())
        .with_connection_info()
        .proxy_protocol(ProxyProtocol::from_anyone())
        .tls(Tls::files(files.cert(), files.key()));
    let server = Server::of(http);
    let mut socket = std::net::TcpStream::connect(&server.address).unwrap();
    std::io::Write::write_all(&mut socket, &v2()).unwrap();
    let trusted = files.trusted(rustls::ALL_VERSIONS, &["http/1.1"]);
    let mut client = Client::tls(session(trusted), socket);
    assert_eq!(client.get("/").text(), CLIENT);
    server.ends_clean();
}

#[test]
fn who_is_not_trusted_is_a_client_and_cannot_pretend() {
    for server in SERVERS {
        let elsewhere = ProxyProtocol::from_sources(["10.0.0.0/8", "192.0.2.1"]).unwrap();
        let server = server(elsewhere);
        let (told, own) = client_of(&server, b"");
        assert_eq!(told, own);
        let mut liar = server.client();
        liar.send([v1(), head_of("/").into()].concat());
        assert_eq!(liar.answer().status, 400);
        server.ends_clean();
    }
}

#[test]
fn a_connection_without_a_good_header_is_closed_in_order() {
    for server in SERVERS {
        let server = server(ProxyProtocol::from_anyone());
        for garbage in [
            head_of("/").as_bytes(),
            b"\x16\x03\x01\x02\x00",
            b"PROXY TCP4 x",
        ] {
            let mut client = server.client();
            client.send(garbage);
            client.finish();
            client.ends_with_fin();
        }
        assert_eq!(client_of(&server, &v1()).0, CLIENT, "others are served");
        server.ends_clean();
    }
}

#[test]
fn a_header_has_its_time_and_keeps_nobody_waiting() {
    for server in SERVERS {
        let soon = Duration::from_millis(300);
        let server = server(ProxyProtocol::from_anyone().header_timeout(soon));
        let mut silent = server.client();
        let mut half = server.client();
        half.send(&v2()[..9]);
        assert_eq!(client_of(&server, &v2()).0, CLIENT);
        let began = Instant::now();
        silent.ends_with_fin();
        half.ends_with_fin();
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
        server.ends_clean();
    }
}

/// Connections whose header and request come when the drain has begun.
#[test]
fn accept_lossless_for_connections_whose_header_has_not_come_yet() {
    for server in SERVERS {
        let server = server(ProxyProtocol::from_anyone());
        assert_eq!(client_of(&server, &v1()).0, CLIENT, "it serves");
        let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
        for client in clients.iter_mut().step_by(2) {
            client.send(&v2()[..13]);
        }
        server.stop();
        // Before that a header may be read that nobody would wait for.
        drop(crate::service::until("its socket is gone", || {
            std::net::TcpListener::bind(&server.address).ok()
        }));
        for (nth, client) in clients.iter_mut().enumerate() {
            let sent = if nth % 2 == 0 { 13 } else { 0 };
            client.send(&v2()[sent..]);
            client.send(head_of("/"));
        }
        for client in &mut clients {
            let answer = client.answer();
            assert_eq!((answer.status, answer.text().as_str()), (200, CLIENT));
            assert!(answer.says_close());
        }
        server.ends_clean();
    }
}

#[test]
fn idle_exits_although_headers_never_end() {
    for server in SERVERS {
        let patient = ProxyProtocol::from_anyone().header_timeout(Duration::from_secs(60));
        let server = server(patient);
        let mut silent = server.client();
        let mut half = server.client();
        half.send(b"PROXY TCP4 192.0.2.1 ");
        assert_eq!(client_of(&server, &v1()).0, CLIENT, "they are all accepted");
        let began = Instant::now();
        server.ends_clean();
        assert!(
            began.elapsed() < Duration::from_secs(6),
            "{:?}",
            began.elapsed()
        );
        silent.ends_with_fin();
        half.ends_with_fin();
    }
}

fn behind_proxy(args: &[&str]) -> Service {
    let args = [&["--proxy-protocol", "--subscriber", "stderr"], args].concat();
    Start::new(&args).serve()
}

#[test]
fn keepalive_lossless_and_a_bad_header_is_told_once() {
    for args in [&[][..], &["--layer"]] {
        let service = behind_proxy(args);
        let mut busy = service.client();
        busy.send([v1(), head_of("/work?ms=700").into()].concat());
        for _ in 0..3 {
            let mut bad = service.client();
            bad.send(head_of("/"));
            bad.ends_with_fin();
        }
        service.in_flight("request", "GET /work", 1);
        service.term();
        assert_eq!(busy.answer().status, 200);
        let ended = service.ended();
        ended.within_grace().exit(0).nothing_let_go();
        let told = ended.stderr.matches("without a good PROXY header").count();
        assert_eq!(told, 1, "{}", ended.stderr);
    }
}
