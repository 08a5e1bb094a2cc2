//! How HTTP is spoken, as the settings say, and on how many sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use lameduck::{Exit, Http, Http1Settings, Http2Settings, Lifecycle};

use crate::client::{Client, get as head_of};
use crate::in_process::{ANYWHERE, Server};
use crate::service::until;

fn app() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn http() -> Http<Router> {
    Http::new("api", ANYWHERE, app())
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

/// A peer that speaks HTTP/2 as far as it has to.
struct Peer(TcpStream);

impl Peer {
    fn of(server: &Server) -> Peer {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .unwrap();
        stream
            .write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
            .unwrap();
        Peer(stream)
    }

    /// The next of this kind that is no acknowledgement; `None` at the end.
    fn next(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).ok()?;
            let (kind_of_it, flags) = (head[3], head[4]);
            if kind_of_it == kind && flags & 1 == 0 {
                return Some(Frame {
                    kind: kind_of_it,
                    flags,
                    payload,
                });
            }
        }
    }

    fn answer(&mut self, ping: &Frame) {
        let head = [0, 0, 8, ping.kind, ping.flags | 1, 0, 0, 0, 0];
        self.0.write_all(&head).unwrap();
        self.0.write_all(&ping.payload).unwrap();
    }
}

#[test]
fn http_2_peers_are_told_the_settings() {
    let settings = Http2Settings::new()
        .max_concurrent_streams(7)
        .initial_stream_window_size(100_000)
        .initial_connection_window_size(200_000)
        .max_frame_size(20_000)
        .max_header_list_size(5_000)
        .extended_connect(true);
    let server = Server::of(http().http2(settings));
    let mut peer = Peer::of(&server);
    let told = peer.next(SETTINGS).unwrap().payload;
    // RFC 9113, 6.5.2; RFC 8441, 3.
    for (id, value) in [(3, 7), (4, 100_000), (5, 20_000), (6, 5_000), (8, 1)] {
        let found = told.chunks(6).find(|it| it[..2] == [0, id]).unwrap();
        let found = u32::from_be_bytes(found[2..].try_into().unwrap());
        assert_eq!(found, value, "setting {id}");
    }
    let window = peer.next(WINDOW_UPDATE).unwrap().payload;
    let window = u32::from_be_bytes(window.try_into().unwrap());
    assert_eq!(window, 200_000 - 65_535);
    server.ends_clean();
}

#[test]
fn http_2_peers_are_pinged_and_cut_when_they_do_not_answer() {
    let settings = Http2Settings::new()
        .keep_alive_interval(Duration::from_millis(100))
        .keep_alive_timeout(Duration::from_millis(300));
    let server = Server::of(http().http2(settings));
    let mut peer = Peer::of(&server);
    for _ in 0..3 {
        let ping = peer.next(PING).unwrap();
        peer.answer(&ping);
    }
    peer.next(PING).unwrap();
    let unanswered = Instant::now();
    assert!(peer.next(PING).is_none(), "it is cut");
    assert!(unanswered.elapsed() < Duration::from_secs(10));
    server.ends_clean();
}

#[test]
fn idle_exits_although_pings_are_answered() {
    let often = Duration::from_millis(100);
    let settings = Http2Settings::new().keep_alive_interval(often);
    let server = Server::of(http().http2(settings));
    let mut peer = Peer::of(&server);
    let ping = peer.next(PING).unwrap();
    peer.answer(&ping);
    let answers = std::thread::spawn(move || {
        while let Some(ping) = peer.next(PING) {
            peer.answer(&ping);
        }
    });
    let began = Instant::now();
    server.ends_clean();
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}",
        began.elapsed()
    );
    answers.join().unwrap();
}

#[test]
fn heads_of_http_1_have_their_limits_and_their_looks() {
    let settings = Http1Settings::new()
        .max_headers(3)
        .max_buffer_size(8192)
        .title_case_headers(true)
        .date_header(false);
    let server = Server::of(http().http1(settings));
    let mut client = server.client();
    client.ask("/");
    let head = client.head().unwrap();
    assert!(head.contains("\r\nContent-Length: 5\r\n"), "{head}");
    assert!(!head.to_lowercase().contains("\r\ndate:"), "{head}");

    let mut many = server.client();
    let four = head_of("/").replace("\r\n\r\n", "\r\na: 1\r\nb: 1\r\nc: 1\r\n\r\n");
    many.send(four);
    assert_eq!(many.answer().status, 431);
    let mut long = server.client();
    long.send(format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000)));
    let refused = long.answer().status;
    assert!(matches!(refused, 414 | 431), "{refused}");
    server.ends_clean();
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_listens() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for bad in [
        http().http2(Http2Settings::new().max_frame_size(100)),
        http().http1(Http1Settings::new().max_buffer_size(1)),
        http().idle_timeout(Duration::ZERO),
    ] {
        let life = Lifecycle::embedded().component(bad);
        let handle = life.handle();
        assert_eq!(runtime.block_on(life.run()), Exit::BAD_CONFIGURATION);
        assert_eq!(handle.address("api"), None);
    }
}

fn free_address() -> String {
    let socket = TcpListener::bind(ANYWHERE).unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn accept_lossless_on_each_of_several_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("s.sock").display());
    let (first, second) = (free_address(), free_address());
    let app = app().route(
        "/nap",
        get(|| async {
            std::thread::sleep(Duration::from_millis(300));
            "rested"
        }),
    );
    let http = Http::new("api", first.as_str(), app);
    let server = Server::of(http.also(second.as_str()).also(unix.as_str()));
    let all = [first.as_str(), &second, &unix];
    for address in all {
        assert_eq!(Client::connect(address).get("/").text(), "hello");
    }
    // Its only thread is busy when they come, and when the drain begins.
    let mut busy = server.client();
    busy.ask("/nap");
    until("it is at work", || {
        (!server.handle.ledger().is_empty()).then_some(())
    });
    let mut waiting: Vec<_> = all
        .iter()
        .flat_map(|it| (0..5).map(|_| Client::connect(it)))
        .collect();
    for client in &mut waiting {
        client.ask("/");
    }
    server.stop();
    assert_eq!(busy.answer().text(), "rested");
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "hello");
    }
    for address in all {
        until("it is closed", || {
            Client::try_connect(address).is_err().then_some(())
        });
    }
    server.ends_clean();
}

#[test]
fn an_address_that_the_server_has_itself_is_told_as_its_own() {
    let address = free_address();
    let http = Http::new("api", address.as_str(), app()).also(address.as_str());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let life = Lifecycle::embedded().component(http);
    assert_eq!(runtime.block_on(life.run()), Exit::BAD_CONFIGURATION);
}
