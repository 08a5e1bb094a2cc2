//! What goes with every request goes with each kind of client, and no client shows it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::notebook::Client;
use super::stage::Stage;
use super::{grpc, h2, keep_alive, probe, sse, upload, websocket};
use crate::endpoint::Endpoint;
use crate::ledger::Lane;
use crate::request::RequestTemplate;
use crate::wire::Wire;

const SECRET: &str = "Bearer s3cret";

async fn stage() -> (TcpListener, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut origin = Endpoint::parse(&url).unwrap();
    origin.authority = "shop.example".to_owned();
    origin.headers.push("Authorization", SECRET);
    origin.headers.push("User-Agent", "Mozilla/5.0");
    (listener, Stage::new(Wire::new(Duration::ZERO), origin, 1))
}

fn is_complete(headers: &HeaderMap, what: &str) {
    for (name, value) in [("authorization", SECRET), ("user-agent", "Mozilla/5.0")] {
        let sent: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(sent, [value], "{what}: {name}");
    }
}

/// The head of the first request of a client over HTTP/1.1; the client is ended then.
async fn head_of<F: Future<Output = ()>>(client: impl FnOnce(Stage) -> F) -> HeaderMap {
    let (listener, stage) = stage().await;
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stage.signalled(std::time::Instant::now());
        stage.stop();
        answer(stream).await;
        head
    };
    let (head, ()) = tokio::join!(serve, client(stage.clone()));
    assert!(!format!("{:?}", stage.notebook().take()).contains("s3cret"));
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    assert!(request.parse(&head).unwrap().is_complete());
    let mut headers = HeaderMap::new();
    for field in request.headers.iter() {
        let name = http::HeaderName::from_bytes(field.name.as_bytes()).unwrap();
        headers.append(name, field.value.try_into().unwrap());
    }
    headers
}

async fn answer(mut stream: TcpStream) {
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(text).await.unwrap();
    stream.shutdown().await.unwrap();
    // Until the client has gone, or the answer could be reset.
    drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
}

fn client(lane: Lane) -> Client {
    Client { lane, number: 1 }
}

#[tokio::test]
async fn over_http1_each_client_sends_it() {
    let get = || RequestTemplate::get("/");
    let quick =
        head_of(|stage| keep_alive::run(stage, client(Lane::KeepAlive), vec![get()], None)).await;
    let events = head_of(|stage| sse::run(stage, client(Lane::Events), get())).await;
    let socket =
        head_of(|stage| websocket::run(stage, client(Lane::WebSocket), "/".to_owned(), None)).await;
    let upload = head_of(|stage| {
        let request = RequestTemplate::post("/", "body");
        let cue = super::barrier::Cue {
            signal: std::time::Instant::now(),
            rtt: Duration::ZERO,
            place: stage.barrier().place(),
        };
        let rest = upload::Rest::Dribbled;
        upload::run(stage, client(Lane::Upload), request, rest, cue)
    })
    .await;
    let probed = head_of(|stage| async move { drop(probe::look(stage.origin()).await) }).await;
    assert_eq!(socket["upgrade"], "websocket");
    for (what, headers) in [
        ("keep-alive", quick),
        ("events", events),
        ("websocket", socket),
        ("upload", upload),
        ("probe", probed),
    ] {
        is_complete(&headers, what);
        assert_eq!(headers["host"], "shop.example", "{what}");
    }
}

#[tokio::test]
async fn over_http2_each_client_sends_it() {
    for lane in [Lane::H2, Lane::Grpc] {
        let (listener, stage) = stage().await;
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut connection = ::h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                stage.signalled(std::time::Instant::now());
                stage.stop();
                is_complete(request.headers(), &lane.to_string());
                let authority = request.uri().authority().unwrap();
                assert_eq!(authority, "shop.example");
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::new(), true).unwrap();
            }
        };
        let load = async {
            let (stage, client) = (stage.clone(), client(lane));
            match lane {
                Lane::H2 => {
                    let (_, slow_at) = tokio::sync::watch::channel(None);
                    let script = h2::H2Script {
                        quick: vec![RequestTemplate::get("/")],
                        slow: Vec::new(),
                        slow_at,
                    };
                    h2::run(stage, client, script).await;
                }
                _ => {
                    let script = grpc::GrpcScript {
                        unary: vec![RequestTemplate::grpc("a.B/C", b"")],
                        streams: Vec::new(),
                    };
                    grpc::run(stage, client, script).await;
                }
            }
        };
        tokio::join!(serve, load);
        assert!(!format!("{:?}", stage.notebook().take()).contains("s3cret"));
    }
}
