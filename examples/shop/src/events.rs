//! `GET /events`: server-sent events, one each 50 ms, numbered. Ends on an event boundary once the
//! shutdown drains, and tells the client when to come back.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use lameduck::{Handle, Phase};

use crate::routes::Shop;

const EVERY: Duration = Duration::from_millis(50);

/// What the stream is about to send.
enum Next {
    Event(u64),
    End,
}

pub(crate) async fn stream(State(shop): State<Shop>) -> Response {
    let events = futures_util::stream::unfold(Next::Event(1), move |next| {
        let handle = shop.handle.clone();
        async move {
            let (text, next) = match next {
                Next::Event(n) if pause(&handle).await => {
                    (format!("id: {n}\ndata: event {n}\n\n"), Next::Event(n + 1))
                }
                Next::Event(_) => ("retry: 1000\n\n".to_owned(), Next::End),
                Next::End => return None,
            };
            Some((Ok::<_, Infallible>(Bytes::from(text)), next))
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// Waits for the next event; whether there is one.
async fn pause(handle: &Handle) -> bool {
    tokio::select! {
        biased;
        () = handle.draining() => false,
        () = tokio::time::sleep(EVERY) => handle.phase() < Phase::Draining,
    }
}
