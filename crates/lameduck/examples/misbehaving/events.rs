//! Event streams and long polls, well-behaved and not.
//!
//! | route | does |
//! |---|---|
//! | `GET /events?ms=N` | numbered events for ever, each in three pieces with N ms between them |
//! | `GET /events/half` | half an event, and never the other half |
//! | `GET /events/own` | ends itself with an event `bye` |
//! | `GET /poll` | `none yet`, once it is asked to end |

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::stream::{self, Stream, StreamExt};
use lameduck::{Draining, EndsItself};

pub fn router() -> Router {
    Router::new()
        .route("/events", get(pieces))
        .route("/events/half", get(half))
        .route("/events/own", get(own))
        .route("/poll", get(poll))
}

/// What may stand in a query.
#[derive(serde::Deserialize)]
struct Ask {
    #[serde(default)]
    ms: u64,
}

fn events(chunks: impl Stream<Item = String> + Send + 'static) -> Response {
    let chunks = chunks.map(|it| Ok::<_, Infallible>(Bytes::from(it)));
    let body = Body::from_stream(chunks);
    ([(CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn pieces(Query(ask): Query<Ask>) -> Response {
    let pause = Duration::from_millis(ask.ms);
    events(stream::unfold(3_u64, move |n| async move {
        tokio::time::sleep(pause).await;
        let text = match n % 3 {
            0 => format!("id: {}\r\n", n / 3),
            1 => "data: fir".to_owned(),
            _ => format!("st half and second {}\r\n\r\n", n / 3),
        };
        Some((text, n + 1))
    }))
}

async fn half() -> Response {
    let never = stream::once(pending());
    events(stream::iter(["data: whole\n\ndata: ha".to_owned()]).chain(never))
}

async fn own(draining: Draining) -> Response {
    let first = stream::iter(["data: first\n\n".to_owned()]);
    let last = stream::once(async move {
        draining.await;
        // Whoever would end it here would take the last event from the client.
        tokio::time::sleep(Duration::from_millis(100)).await;
        "event: bye\ndata: see you\n\n".to_owned()
    });
    (Extension(EndsItself), events(first.chain(last))).into_response()
}

async fn poll(draining: Draining) -> &'static str {
    draining.await;
    "none yet"
}
