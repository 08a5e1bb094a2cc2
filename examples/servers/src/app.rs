//! The application: the same routes for every server.
//!
//! | route | does |
//! |---|---|
//! | `GET /work?ms=N` | `done` after N ms |
//! | `POST /upload` | how many bytes came |
//! | `GET /stream?ms=N` | ten chunks over N ms |

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::stream::{self, Stream};
use http_body_util::BodyExt;
use serde::Deserialize;

/// How long something takes.
#[derive(Debug, Deserialize)]
pub struct Takes {
    /// Milliseconds.
    #[serde(default)]
    pub ms: u64,
}

/// The routes, for servers that take a tower service.
pub fn router() -> Router {
    Router::new()
        .route("/work", get(|Query(takes)| work(takes)))
        .route("/upload", post(upload))
        .route(
            "/stream",
            get(|Query(takes)| async { Body::from_stream(chunks(takes)) }),
        )
}

/// Works for that long.
///
/// # Cancel safety
///
/// Cancel safe.
pub async fn work(takes: Takes) -> &'static str {
    tokio::time::sleep(Duration::from_millis(takes.ms)).await;
    "done"
}

async fn upload(mut body: Body) -> Result<String, StatusCode> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
    }
    Ok(bytes.to_string())
}

/// Ten chunks over that long.
pub fn chunks(takes: Takes) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let pause = Duration::from_millis(takes.ms) / 10;
    stream::unfold(0, move |n| async move {
        if n == 10 {
            return None;
        }
        tokio::time::sleep(pause).await;
        Some((Ok(Bytes::from(format!("chunk {n}\n"))), n + 1))
    })
}
