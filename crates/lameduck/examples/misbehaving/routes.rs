//! What it answers, and what it does not.
//!
//! | route | does |
//! |---|---|
//! | `GET /` | `hello` |
//! | `GET /work?ms=N` | `done` after N ms |
//! | `GET /stream?ms=N` | ten chunks over N ms |
//! | `GET /big?bytes=N` | N bytes at once |
//! | `POST /upload` | how many bytes came |
//! | `POST /locked` | `401`, without having read the body |
//! | `GET /nap?ms=N` | `done` after it has blocked its thread for N ms |
//! | `GET /block` | blocks its thread for ever |
//! | `GET /block-all` | has every thread of the runtime blocked for ever |
//! | `GET /never` | never answers |
//! | `GET /endless` | a chunk each 10 ms, for ever |
//! | `GET /firehose` | one chunk after the other, for ever |
//! | `GET /panic` | panics |
//! | `GET /upgrade` | stops being HTTP, and sends back what it gets |
//! | `CONNECT` | is a tunnel that sends back what it gets |
//! | `GET /spawn-blocking?ms=N` | leaves a blocking thread behind that returns after N ms, or never |
//! | `GET /spawn?ms=N` | leaves a task behind, by `Handle::spawn`, that is done after N ms |
//! | `GET /track?n=N` | has N more things in flight for ever |
//! | `GET /internal/livez`, `/internal/readyz`, … | the probes once more, on this port |
//! | `GET /alive` | one of them |
//! | gRPC `grpc.health.v1.Health` | whether it serves |
//!
//! `/work`, `/never`, `/endless` and `/panic` can be called as if they were methods of gRPC, too.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use lameduck::{Handle, ProbeService};
use tokio::io::AsyncWriteExt;

pub fn router(handle: Handle) -> Router {
    Router::new()
        .route_service(
            "/grpc.health.v1.Health/{method}",
            lameduck::grpc_health(&handle, ["misbehaving"]),
        )
        .nest_service("/internal", ProbeService::new(&handle).with_metrics())
        .route_service("/alive", ProbeService::livez(&handle))
        .route("/spawn", get(spawn).with_state(handle.clone()))
        .route("/track", get(track).with_state(handle.clone()))
        .route("/block-all", get(move || block_all(handle.clone())))
        .route("/", get(|| async { "hello" }))
        .route("/work", get(work).post(work))
        .route("/stream", get(ten_chunks))
        .route("/big", get(big))
        .route("/upload", post(upload))
        .route("/locked", post(|| async { StatusCode::UNAUTHORIZED }))
        .route("/nap", get(nap))
        .route("/block", get(block))
        .route(
            "/never",
            get(pending::<&'static str>).post(pending::<&'static str>),
        )
        .route("/endless", get(slowly_endless).post(slowly_endless))
        .route("/firehose", get(|| async { endless(None) }))
        .route("/panic", get(panics).post(panics))
        .route("/upgrade", get(upgrade))
        .route("/spawn-blocking", get(spawn_blocking))
        .fallback(tunnel)
        .merge(crate::bodies::router())
        .merge(crate::events::router())
        .merge(crate::sockets::router())
}

/// What may stand in a query.
#[derive(serde::Deserialize)]
pub struct Ask {
    #[serde(default)]
    pub ms: u64,
    #[serde(default)]
    pub bytes: usize,
    #[serde(default)]
    pub n: usize,
}

async fn work(Query(ask): Query<Ask>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ask.ms)).await;
    "done"
}

async fn big(Query(ask): Query<Ask>) -> Body {
    Body::from(vec![b'x'; ask.bytes])
}

async fn ten_chunks(Query(ask): Query<Ask>) -> Body {
    let pause = Duration::from_millis(ask.ms) / 10;
    Body::from_stream(stream::unfold(0, move |n| async move {
        if n == 10 {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((
            Ok::<_, Infallible>(Bytes::from(format!("chunk {n}\n"))),
            n + 1,
        ))
    }))
}

async fn slowly_endless() -> Body {
    endless(Some(Duration::from_millis(10)))
}

fn endless(pause: Option<Duration>) -> Body {
    const CHUNK: Bytes = Bytes::from_static(&[b'.'; 1000]);
    Body::from_stream(stream::unfold((), move |()| async move {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        Some((Ok::<_, Infallible>(CHUNK), ()))
    }))
}

async fn upload(mut body: Body) -> Result<String, StatusCode> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(bytes.to_string())
}

async fn nap(Query(ask): Query<Ask>) -> &'static str {
    std::thread::sleep(Duration::from_millis(ask.ms));
    "done"
}

async fn block() -> &'static str {
    std::thread::sleep(Duration::from_secs(3600));
    "at last"
}

/// As many tasks as there are threads: whichever thread runs one never runs another, and those that
/// wait behind it are taken over by the rest.
async fn block_all(handle: Handle) -> &'static str {
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    let blocked: Vec<_> = (0..threads)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                let _guard = handle.track("thread", "blocked");
                std::thread::sleep(Duration::from_secs(3600));
            })
        })
        .collect();
    for it in blocked {
        let _ = it.await;
    }
    "at last"
}

async fn panics(Query(ask): Query<Ask>) -> &'static str {
    assert!(ask.bytes > 0, "a bug in the handler");
    "no bug"
}

/// `CONNECT` to anywhere ends up here, and is sent back what it sends.
async fn tunnel(request: Request) -> StatusCode {
    if request.method() != Method::CONNECT {
        return StatusCode::NOT_FOUND;
    }
    tokio::spawn(echo(request));
    StatusCode::OK
}

async fn echo(request: Request) {
    if let Ok(upgraded) = hyper::upgrade::on(request).await {
        let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
        // A peer that breaks off is done, too.
        let _ = tokio::io::copy(&mut from, &mut to).await;
        let _ = to.shutdown().await;
    }
}

async fn upgrade(request: Request) -> Response {
    tokio::spawn(echo(request));
    let headers = [(UPGRADE, "echo"), (CONNECTION, "upgrade")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

async fn spawn_blocking(Query(ask): Query<Ask>) -> &'static str {
    let ms = if ask.ms > 0 { ask.ms } else { 3_600_000 };
    drop(tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(ms));
        println!("the blocking thread is done");
    }));
    "it goes on"
}

async fn spawn(State(handle): State<Handle>, Query(ask): Query<Ask>) -> &'static str {
    drop(handle.spawn("mail", "receipt 17", async move {
        tokio::time::sleep(Duration::from_millis(ask.ms)).await;
        println!("the mail is sent");
    }));
    "it goes on"
}

async fn track(State(handle): State<Handle>, Query(ask): Query<Ask>) -> &'static str {
    for n in 0..ask.n {
        std::mem::forget(handle.track("import", format!("file {n}")));
    }
    "they are in flight"
}
