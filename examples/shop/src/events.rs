//! `GET /events`: server-sent events, one each 50 ms, numbered. When the shutdown drains the server
//! ends the stream between two of them, and tells the client when to come back.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

const EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn stream() -> Response {
    let events = futures_util::stream::unfold(1_u64, |n| async move {
        tokio::time::sleep(EVERY).await;
        let event = Bytes::from(format!("id: {n}\ndata: event {n}\n\n"));
        Some((Ok::<_, Infallible>(event), n + 1))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(events)).into_response()
}
