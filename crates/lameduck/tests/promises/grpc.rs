//! `grpc-lossless`, and what the server itself says to a gRPC client. The client is an HTTP/2 client
//! with the five bytes before each message: what a library makes of a status is its own affair.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest, handshake};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::service::{Ended, Service, Start};

type Connection = JoinHandle<Result<(), h2::Error>>;

async fn connect(service: &Service) -> (SendRequest<Bytes>, Connection) {
    let stream = TcpStream::connect(&service.api).await.unwrap();
    let (sender, connection) = handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// Begins a call with that message.
async fn call(sender: &SendRequest<Bytes>, path: &str, message: &[u8]) -> ResponseFuture {
    let request = Request::post(format!("http://test{path}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut ready = sender.clone().ready().await.unwrap();
    let (answer, mut body) = ready.send_request(request, false).unwrap();
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    body.send_data(framed.into(), true).unwrap();
    answer
}

/// All that a call was answered.
struct Answer {
    head: http::response::Parts,
    body: h2::RecvStream,
}

impl Answer {
    async fn to(call: ResponseFuture) -> Answer {
        let (head, body) = call.await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        Answer { head, body }
    }

    async fn data(&mut self) -> Option<Bytes> {
        let data = self.body.data().await?.unwrap();
        let _ = self.body.flow_control().release_capacity(data.len());
        Some(data)
    }

    /// The trailers at the end of whatever else comes.
    async fn trailers(&mut self) -> HeaderMap {
        while self.data().await.is_some() {}
        self.body.trailers().await.unwrap().unwrap()
    }
}

#[track_caller]
fn assert_status(headers: &HeaderMap, code: &str, message: &str) {
    assert_eq!(headers["grpc-status"], code, "{headers:?}");
    assert_eq!(headers["grpc-message"], message, "{headers:?}");
}

/// What the health service says of the whole server: 1 is SERVING, 2 NOT_SERVING.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stuck_told_a_grpc_call_whose_time_is_over_is_told_unavailable() {
    let service = Service::plain();
    let (sender, _connection) = connect(&service).await;
    let never = call(&sender, "/never", b"").await;
    let endless = call(&sender, "/endless", b"").await;
    service.in_flight("request", "POST /never", 1);
    service.in_flight("request", "POST /endless", 1);
    service.term();

    let mut unanswered = Answer::to(never).await;
    let head = &unanswered.head.headers;
    assert_status(head, "14", "the server is shutting down");
    assert_eq!(head["content-type"], "application/grpc");
    assert_eq!(head["grpc-retry-pushback-ms"], "1000");
    assert!(unanswered.body.is_end_stream(), "nothing but headers");
    assert_eq!(unanswered.data().await, None);

    let mut broken_off = Answer::to(endless).await;
    assert!(!broken_off.head.headers.contains_key("grpc-status"));
    let trailers = broken_off.trailers().await;
    assert_status(&trailers, "14", "the server is shutting down");

    let ended = service.ended();
    ended.within_grace().exit(124);
    ended
        .let_go("request", "POST /never")
        .let_go("request", "POST /endless");
    assert!(ended.stderr.contains("so answered UNAVAILABLE"));
    assert!(ended.stderr.contains("ended as UNAVAILABLE in the middle"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grpc_call_whose_handler_panics_is_told_internal() {
    let service = Service::plain();
    let (sender, _connection) = connect(&service).await;
    let answer = Answer::to(call(&sender, "/panic", b"").await).await;
    assert_status(&answer.head.headers, "13", "internal server error");
    assert!(!answer.head.headers.contains_key("grpc-retry-pushback-ms"));
    let mut usable = Answer::to(call(&sender, CHECK, b"").await).await;
    assert_eq!(usable.data().await.as_deref(), Some(SERVING));
    service.term();
    let ended: Ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
    assert_eq!(ended.list("panicked")[0]["name"], "POST /panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_lossless_health_says_not_serving_while_calls_are_served() {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "20s")
        .env("LAMEDUCK_LAME_DUCK", "1s")
        .serve();
    let (sender, connection) = connect(&service).await;
    let mut watched = Answer::to(call(&sender, WATCH, b"").await).await;
    assert_eq!(watched.data().await.as_deref(), Some(SERVING));
    let in_flight = call(&sender, "/work?ms=1500", b"").await;
    service.in_flight("request", "POST /work", 1);
    service.term();

    // Before anything else about serving has changed:
    assert_eq!(watched.data().await.as_deref(), Some(NOT_SERVING));
    assert_eq!(service.status()["phase"], "lame-duck");
    // Who comes now is served, and told the same.
    let (late, _late_connection) = connect(&service).await;
    let mut check = Answer::to(call(&late, CHECK, b"").await).await;
    assert_eq!(check.data().await.as_deref(), Some(NOT_SERVING));
    assert_eq!(check.trailers().await["grpc-status"], "0");

    // The watcher is sent away by the drain, and the call is answered.
    assert_eq!(watched.trailers().await["grpc-status"], "0");
    let mut answer = Answer::to(in_flight).await;
    assert_eq!(answer.data().await.as_deref(), Some(&b"done"[..]));
    drop((sender, late));
    let over = tokio::time::timeout(Duration::from_secs(20), connection);
    over.await.unwrap().unwrap().unwrap();
    service.ended().exit(0).nothing_let_go();
}
