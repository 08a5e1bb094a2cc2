//! WebSockets, event streams and long polls on servers that are not ours.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::response::Response as AxumResponse;
use axum::routing::get;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use lameduck::websocket::{WebSocket, WebSocketUpgrade};
use lameduck::{Draining, Exit, Handle, Lifecycle, TrackLayer};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::socket::Socket;

/// A plain hyper server in this process.
struct Server {
    handle: Handle,
    address: SocketAddr,
    running: thread::JoinHandle<Exit>,
}

impl Server {
    fn start<S>(service: impl FnOnce(Handle) -> S) -> Server
    where
        S: HttpService<Incoming, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        S::ResBody: Send + 'static,
        <S::ResBody as hyper::body::Body>::Data: Send,
        <S::ResBody as hyper::body::Body>::Error: std::error::Error + Send + Sync,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let life = Lifecycle::embedded().grace(Duration::from_secs(6));
        let handle = life.handle();
        let service = service(handle.clone());
        let life = life.task("server", move |handle| async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                tokio::select! {
                    () = handle.draining() => return std::io::Result::Ok(()),
                    accepted = listener.accept() => {
                        let io = TokioIo::new(accepted?.0);
                        let connection = http1::Builder::new()
                            .serve_connection(io, service.clone())
                            .with_upgrades();
                        tokio::spawn(connection);
                    }
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        Server {
            handle,
            address,
            running: thread::spawn(move || runtime.block_on(life.run())),
        }
    }

    fn client(&self) -> Client {
        Client::connect(&self.address.to_string())
    }

    #[track_caller]
    fn ends_clean(self) {
        assert_eq!(self.running.join().unwrap(), Exit::CLEAN);
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

#[test]
fn websocket_closed_without_a_framework_on_plain_hyper() {
    let server = Server::start(|handle| {
        service_fn(move |mut request: Request<Incoming>| {
            let answer: Response<Full<Bytes>> =
                match WebSocketUpgrade::with_handle(&mut request, &handle) {
                    Ok(upgrade) => upgrade.protocols(["v2", "v1"]).on_upgrade(echo),
                    Err(refusal) => refusal.into_response(),
                };
            async { Ok::<_, Infallible>(answer) }
        })
    });
    let refused = server.client().get("/ws");
    assert_eq!(
        (refused.status, refused.header("upgrade")),
        (426, Some("websocket"))
    );
    assert!(refused.text().contains("Upgrade: websocket"), "{refused:?}");

    let mut sockets: Vec<_> = (0..5)
        .map(|_| Socket::over(server.client(), "/ws"))
        .collect();
    for socket in &mut sockets {
        socket.say("hello");
        assert_eq!(socket.hears(), "hello");
    }
    server.handle.shutdown("test");
    for socket in sockets {
        socket.goes(1001, "shutting down");
    }
    server.ends_clean();
}

async fn upgrade(upgrade: WebSocketUpgrade) -> AxumResponse {
    upgrade.on_upgrade(echo)
}

async fn events() -> AxumResponse {
    let body = axum::body::Body::from_stream(futures_util::stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Some((Ok::<_, Infallible>(format!("data: {n}\n\n")), n + 1))
    }));
    let mut response = AxumResponse::new(body);
    let value = http::HeaderValue::from_static("text/event-stream");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, value);
    response
}

async fn poll(draining: Draining) -> &'static str {
    draining.await;
    "none yet"
}

fn router() -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/events", get(events))
        .route("/poll", get(poll))
}

#[test]
fn websocket_closed_and_sse_ends_behind_the_layer_of_an_axum_router() {
    let server =
        Server::start(|handle| TowerToHyperService::new(router().layer(TrackLayer::new(&handle))));
    let mut socket = Socket::over(server.client(), "/ws");
    let (mut events, mut poll) = (server.client(), server.client());
    events.ask("/events");
    poll.ask("/poll");
    socket.say("hello");
    assert_eq!(socket.hears(), "hello");
    crate::service::until("all are in flight", || {
        (server.handle.ledger().len() == 3 + 1).then_some(())
    });
    server.handle.shutdown("test");
    socket.goes(1001, "shutting down");
    let answer = poll.answer();
    assert_eq!(answer.text(), "none yet");
    assert!(answer.says_close());
    let text = events.answer().text();
    let (before, retry) = text.rsplit_once("retry: ").unwrap();
    assert!(before.is_empty() || before.ends_with("\n\n"), "{text}");
    let retry: u64 = retry.strip_suffix("\n\n").unwrap().parse().unwrap();
    assert!((1000..=3000).contains(&retry), "{retry}");
    server.ends_clean();
}

#[test]
fn without_the_layer_extractors_say_what_is_missing() {
    let server = Server::start(|_| TowerToHyperService::new(router()));
    let answer = server.client().get("/poll");
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("TrackLayer"), "{answer:?}");
    server.handle.shutdown("test");
    server.ends_clean();
}
