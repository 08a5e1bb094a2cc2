//! Handlers that end their connection, and learn that it has to end.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::routing::get;
use futures_util::stream;
use h2::client::{ResponseFuture, SendRequest, handshake};
use lameduck::{ConnectionInfo, ConnectionLifetime, Http, Tls};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::certificates::Files;
use crate::client::Client;
use crate::in_process::{ANYWHERE, Server};
use crate::service::until;

/// What handlers leave for a test.
#[derive(Clone, Default)]
struct Shared {
    kept: Arc<Mutex<Option<ConnectionLifetime>>>,
    /// What `/waits` and `/stream` wait for.
    go_on: Arc<Notify>,
    waiting: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Shared {
    fn kept(&self) -> ConnectionLifetime {
        until("a handler", || self.kept.lock().unwrap().take())
    }

    fn waits(&self, count: usize) {
        let waiting = || self.waiting.load(Ordering::SeqCst) == count;
        until("handlers wait", || waiting().then_some(()));
    }
}

async fn closes(connection: ConnectionLifetime) -> &'static str {
    connection.request_close();
    "good bye"
}

async fn keeps(State(shared): State<Shared>, connection: ConnectionLifetime) -> &'static str {
    *shared.kept.lock().unwrap() = Some(connection);
    "kept"
}

async fn waits(State(shared): State<Shared>) -> &'static str {
    shared.waiting.fetch_add(1, Ordering::SeqCst);
    shared.go_on.notified().await;
    "at last"
}

async fn ends(State(shared): State<Shared>, connection: ConnectionLifetime) -> &'static str {
    shared.waiting.fetch_add(1, Ordering::SeqCst);
    connection.until_close_requested().await;
    assert!(connection.is_close_requested());
    "it has to end"
}

/// A first part at once, a second when it may.
async fn in_two_parts(State(shared): State<Shared>, connection: ConnectionLifetime) -> Body {
    *shared.kept.lock().unwrap() = Some(connection);
    Body::from_stream(stream::unfold(0, move |n| {
        let go_on = shared.go_on.clone();
        async move {
            let part = match n {
                0 => "first ",
                1 => {
                    go_on.notified().await;
                    "second"
                }
                _ => return None,
            };
            Some((Ok::<_, Infallible>(Bytes::from(part)), n + 1))
        }
    }))
}

/// Every fourth answer is the last of its connection.
async fn sheds(State(shared): State<Shared>, connection: ConnectionLifetime) -> &'static str {
    if shared.asked.fetch_add(1, Ordering::SeqCst) % 4 == 3 {
        connection.request_close();
    }
    tokio::task::yield_now().await;
    "done"
}

fn app() -> (Router, Shared) {
    let shared = Shared::default();
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/closes", get(closes))
        .route("/keeps", get(keeps))
        .route("/waits", get(waits))
        .route("/ends", get(ends))
        .route("/parts", get(in_two_parts))
        .route("/sheds", get(sheds))
        .with_state(shared.clone());
    (app, shared)
}

fn server() -> (Server, Shared) {
    let (app, shared) = app();
    let server = Server::of(Http::new("api", ANYWHERE, app).with_connection_info());
    (server, shared)
}

fn server_with_tls(files: &Files) -> (Server, Shared) {
    let (app, shared) = app();
    let http = Http::new("api", ANYWHERE, app).with_connection_info();
    let server = Server::of(http.tls(Tls::files(files.cert(), files.key())));
    (server, shared)
}

#[test]
fn the_answer_of_a_handler_that_ends_its_connection_says_close_and_is_the_last() {
    let (server, _) = server();
    let mut other = server.client();
    let mut client = server.client();
    assert!(!client.get("/").says_close());
    let last = client.get("/closes");
    assert_eq!((last.status, &*last.text()), (200, "good bye"));
    assert!(last.says_close());
    client.ends_with_fin();
    // Others have nothing to do with it.
    for _ in 0..2 {
        assert!(!other.get("/").says_close());
    }
    server.ends_clean();
}

#[test]
fn an_answer_that_has_begun_is_whole_and_the_next_says_close() {
    let (server, shared) = server();
    for asks_again in [true, false] {
        let mut client = server.client();
        client.ask("/parts");
        let lifetime = shared.kept();
        let head = client.head().unwrap();
        assert!(!head.to_lowercase().contains("connection: close"), "{head}");
        lifetime.request_close();
        assert!(lifetime.is_close_requested());
        if asks_again {
            // Before it is quiet, however slow this machine is.
            client.ask("/");
        }
        shared.go_on.notify_one();
        let body = b"6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n";
        let came = client.exactly(body.len()).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&came),
            String::from_utf8_lossy(body)
        );
        if asks_again {
            let last = client.answer();
            assert!(last.says_close());
            assert_eq!(last.text(), "hello");
        }
        client.ends_with_fin();
    }
    server.ends_clean();
}

#[test]
fn an_idle_connection_is_closed_when_it_is_quiet_and_what_comes_before_is_answered() {
    let (server, shared) = server();
    // Somebody else whose requests go on.
    let mut other = server.client();
    let mut client = server.client();
    client.get("/keeps");
    let lifetime = shared.kept();
    let began = Instant::now();
    lifetime.request_close();
    lifetime.request_close();
    client.ends_with_fin();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(140), "{took:?}");
    assert!(
        took < Duration::from_secs(8),
        "of 75 s that it might be idle: {took:?}"
    );
    assert!(!other.get("/").says_close());

    let mut client = server.client();
    client.get("/keeps");
    let lifetime = shared.kept();
    let (first, rest) = ("GET / HTTP/1.1\r\nHo", "st: test\r\n\r\n");
    client.send(first);
    lifetime.request_close();
    client.send(rest);
    let last = client.answer();
    assert!(last.says_close());
    assert_eq!(last.text(), "hello");
    client.ends_with_fin();
    server.ends_clean();
}

#[test]
fn who_waits_for_the_end_of_a_connection_hears_of_the_drain_and_of_its_going() {
    let (server, shared) = server();
    let mut client = server.client();
    client.ask("/ends");
    shared.waits(1);
    server.stop();
    let last = client.answer();
    assert_eq!(last.text(), "it has to end");
    assert!(last.says_close());
    client.ends_with_fin();
    server.ends_clean();

    let (server, shared) = self::server();
    let mut client = server.client();
    client.get("/keeps");
    let lifetime = shared.kept();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let mut waiting = std::pin::pin!(lifetime.until_close_requested());
        let early = tokio::time::timeout(Duration::from_millis(20), &mut waiting);
        assert!(early.await.is_err(), "nobody has asked for it");
        drop(client);
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the client has gone");
        // And so does who comes late.
        lifetime.until_close_requested().await;
    });
    server.ends_clean();
}

#[test]
fn it_is_there_exactly_where_connection_info_is() {
    let app = || Router::new().route("/closes", get(closes));
    let server = Server::of(Http::new("api", ANYWHERE, app()));
    let refused = server.client().get("/closes");
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("with_connection_info"));
    server.ends_clean();

    let with_info = app().into_make_service_with_connect_info::<ConnectionInfo>();
    let server = Server::of(Http::new("api", ANYWHERE, with_info));
    let mut client = server.client();
    assert!(client.get("/closes").says_close());
    client.ends_with_fin();
    server.ends_clean();
}

/// How many requests of eight clients were lost.
fn lost(connect: impl Fn() -> Client + Sync) -> usize {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut lost = 0;
                    let mut client = connect();
                    for _ in 0..100 {
                        client.ask("/sheds");
                        match client.try_answer() {
                            Ok(answer) if answer.text() == "done" => {
                                if answer.says_close() {
                                    client.ends_with_fin();
                                    client = connect();
                                }
                            }
                            _ => {
                                lost += 1;
                                client = connect();
                            }
                        }
                    }
                    lost
                })
            })
            .collect();
        clients.into_iter().map(|it| it.join().unwrap()).sum()
    })
}

#[test]
fn no_request_is_lost_on_connections_that_handlers_end() {
    let (server, _) = server();
    assert_eq!(lost(|| server.client()), 0);
    server.ends_clean();
}

#[test]
fn over_tls_the_last_answer_says_close_and_a_close_notify_and_a_fin_follow() {
    let files = Files::new();
    let (server, shared) = server_with_tls(&files);
    let mut client = files.client_of(&server.address);
    assert!(!client.get("/").says_close());
    let last = client.get("/closes");
    assert_eq!((last.status, &*last.text()), (200, "good bye"));
    assert!(last.says_close());
    client.ends_with_fin();

    // One that is idle, and one half of whose next request has come.
    for comes in [false, true] {
        let mut client = files.client_of(&server.address);
        client.get("/keeps");
        let lifetime = shared.kept();
        if comes {
            client.send("GET / HTTP/1.1\r\nHo");
        }
        lifetime.request_close();
        if comes {
            client.send("st: test\r\n\r\n");
            let last = client.answer();
            assert!(last.says_close());
            assert_eq!(last.text(), "hello");
        }
        client.ends_with_fin();
    }
    server.ends_clean();
}

#[test]
fn no_request_is_lost_over_tls_on_connections_that_handlers_end() {
    let files = Files::new();
    let (server, _) = server_with_tls(&files);
    assert_eq!(lost(|| files.client_of(&server.address)), 0);
    server.ends_clean();
}

struct Http2 {
    sender: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    async fn connect(address: &str) -> Http2 {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        Http2 { sender, connection }
    }

    async fn ask(&self, path: &str) -> Result<ResponseFuture, h2::Error> {
        let request = http::Request::get(format!("http://test{path}")).body(());
        let mut ready = self.sender.clone().ready().await?;
        Ok(ready.send_request(request.unwrap(), true)?.0)
    }

    async fn answer(response: ResponseFuture) -> Result<String, h2::Error> {
        let mut body = response.await?.into_body();
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            text.extend(data?);
        }
        Ok(String::from_utf8(text).unwrap())
    }

    /// The server has ended it, in good order.
    async fn ends(self) {
        // Whoever still has a sender might ask.
        drop(self.sender);
        self.connection.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goaway_is_sent_over_http_2_and_what_is_under_way_is_answered() {
    let (server, shared) = server();
    let http = Http2::connect(&server.address).await;
    let waits = http.ask("/waits").await.unwrap();
    let ends = http.ask("/ends").await.unwrap();
    shared.waits(2);
    let closes = http.ask("/closes").await.unwrap();
    assert_eq!(Http2::answer(closes).await.unwrap(), "good bye");
    // Another handler of the same connection hears of it.
    assert_eq!(Http2::answer(ends).await.unwrap(), "it has to end");
    // No more can be asked, but what was is answered.
    let mut sender = http.sender.clone();
    let refused = async {
        loop {
            match sender.ready().await {
                Ok(still) => sender = still,
                Err(_) => return,
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(20), refused).await;
    assert!(refused.is_ok(), "no GOAWAY has come");
    shared.go_on.notify_one();
    assert_eq!(Http2::answer(waits).await.unwrap(), "at last");
    http.ends().await;
    // Others have nothing to do with it.
    let other = Http2::connect(&server.address).await;
    let answer = other.ask("/").await.unwrap();
    assert_eq!(Http2::answer(answer).await.unwrap(), "hello");
    other.ends().await;
    // One with nothing to be answered is ended as well, while its client might still ask.
    let idle = Http2::connect(&server.address).await;
    let answer = idle.ask("/keeps").await.unwrap();
    assert_eq!(Http2::answer(answer).await.unwrap(), "kept");
    shared.kept().request_close();
    let ended = tokio::time::timeout(Duration::from_secs(20), idle.connection).await;
    ended.expect("it ends").unwrap().unwrap();
    server.ends_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_over_http_2_connections_that_handlers_end() {
    let (server, _) = server();
    let address = server.address.clone();
    let client = async move {
        let (mut answered, mut lost) = (0, Vec::new());
        let mut http = Http2::connect(&address).await;
        while answered < 300 {
            let mut under_way = Vec::new();
            for _ in 0..10 {
                // Refused here, before anything was sent, it is for another connection.
                let Ok(answer) = http.ask("/sheds").await else {
                    break;
                };
                under_way.push(answer);
            }
            let mut again = under_way.len() < 10;
            for answer in under_way {
                match Http2::answer(answer).await {
                    Ok(text) if text == "done" => answered += 1,
                    // Beyond the last stream that GOAWAY names: never begun, and known to be (RFC 9113, 6.8).
                    Err(e) if e.is_go_away() && e.reason() == Some(h2::Reason::NO_ERROR) => {
                        again = true;
                    }
                    other => lost.push(format!("{other:?}")),
                }
            }
            if again {
                http = Http2::connect(&address).await;
            }
        }
        lost
    };
    let lost = tokio::time::timeout(Duration::from_secs(40), client).await;
    assert_eq!(lost.expect("it goes on"), Vec::<String>::new());
    server.ends_clean();
}
