//! Bodies that do not end as they should, and long ones.
//!
//! | route | does |
//! |---|---|
//! | `GET /body-panics?ms=N` | one piece, and a panic after N ms |
//! | `GET /body-fails?ms=N` | one piece, and an error after N ms |
//! | `GET /pieces?bytes=N` | N bytes in ten pieces, as fast as they are taken |
//! | `GET /sized?bytes=N` | the same, and says how many |
//! | `GET /nothing` | `204` |
//! | `POST /echo` | sends back what comes while it comes |
//!
//! The first two can be called as if they were methods of gRPC, too.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use futures_util::{StreamExt, stream};

use crate::routes::Ask;

pub fn router() -> Router {
    Router::new()
        .route("/body-panics", get(panics).post(panics))
        .route("/body-fails", get(fails).post(fails))
        .route("/pieces", get(pieces))
        .route("/sized", get(sized))
        .route("/nothing", get(|| async { StatusCode::NO_CONTENT }))
        .route("/echo", post(|body: Body| async { body }))
}

async fn panics(Query(ask): Query<Ask>) -> Body {
    after(ask.ms, || panic!("a bug in the body"))
}

async fn fails(Query(ask): Query<Ask>) -> Body {
    after(ask.ms, || Err(io::Error::other("the source is gone")))
}

/// A piece, and what `end` says after `ms`.
fn after(ms: u64, end: fn() -> io::Result<Bytes>) -> Body {
    let piece = stream::iter([Ok(Bytes::from_static(b"a piece\n"))]);
    Body::from_stream(piece.chain(stream::once(async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        end()
    })))
}

async fn pieces(Query(ask): Query<Ask>) -> Body {
    let piece = Bytes::from(vec![b'x'; ask.bytes / 10]);
    Body::from_stream(stream::iter(
        (0..10).map(move |_| io::Result::Ok(piece.clone())),
    ))
}

/// Whether the length is right is the handler's affair.
async fn sized(Query(ask): Query<Ask>) -> impl IntoResponse {
    let length = ask.bytes / 10 * 10;
    (
        [(CONTENT_LENGTH, length.to_string())],
        pieces(Query(ask)).await,
    )
}
