//! WebSockets, event streams and long polls on servers that are not ours.

use std::convert::Infallible;
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
use lameduck::{Draining, Handle, Phase, ProbeService, TrackLayer};
use tokio::net::TcpListener;
use tower_service::Service;

use crate::in_process::{ANYWHERE, Server};
use crate::socket::Socket;

/// A plain hyper server in this process.
fn hyper_server<S>(service: impl FnOnce(Handle) -> S) -> Server
where
    S: HttpService<Incoming, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    S::ResBody: Send + 'static,
    <S::ResBody as hyper::body::Body>::Data: Send,
    <S::ResBody as hyper::body::Body>::Error: std::error::Error + Send + Sync,
{
    let listener = std::net::TcpListener::bind(ANYWHERE).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    Server::at(address.to_string(), |life| {
        let service = service(life.handle());
        let life = life.grace(Duration::from_secs(6));
        life.task("server", move |handle| async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                tokio::select! {
                    () = handle.until_draining() => return std::io::Result::Ok(()),
                    accepted = listener.accept() => {
                        let io = TokioIo::new(accepted?.0);
                        let connection = http1::Builder::new()
                            .serve_connection(io, service.clone())
                            .with_upgrades();
                        tokio::spawn(connection);
                    }
                }
            }
        })
    })
}

#[test]
fn probes_are_answered_by_plain_hyper_too() {
    let server = hyper_server(|handle| {
        let probes = ProbeService::new(&handle);
        service_fn(move |request: Request<Incoming>| probes.clone().call(request))
    });
    let ready = server
        .handle
        .phases()
        .wait(Phase::Ready, Duration::from_secs(20));
    assert_eq!(ready, Phase::Ready);
    let mut client = server.client();
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/startupz", 200),
        ("/metrics", 404),
        ("/drain", 404),
    ] {
        assert_eq!(client.get(path).status, status, "{path}");
    }
    server.ends_clean();
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
    let server = hyper_server(|handle| {
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
    server.stop();
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
        hyper_server(|handle| TowerToHyperService::new(router().layer(TrackLayer::new(&handle))));
    let mut socket = Socket::over(server.client(), "/ws");
    let (mut events, mut poll) = (server.client(), server.client());
    events.ask("/events");
    poll.ask("/poll");
    socket.say("hello");
    assert_eq!(socket.hears(), "hello");
    crate::service::until("all are in flight", || {
        (server.handle.ledger().len() == 3 + 1).then_some(())
    });
    server.stop();
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
    let server = hyper_server(|_| TowerToHyperService::new(router()));
    let answer = server.client().get("/poll");
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("TrackLayer"), "{answer:?}");
    server.stop();
    server.ends_clean();
}
