//! What the shop serves.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::store::{Ledger, NewOrder, Store};
use crate::{events, grpc, sockets};

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct Shop {
    pub store: Store,
    pub handle: lameduck::Handle,
}

pub(crate) fn router(shop: Shop) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/work", get(work))
        .route("/orders", post(order))
        .route("/orders/{id}", get(one_order))
        .route("/ledger", get(ledger))
        .route("/upload", post(upload))
        .route("/stream", get(stream))
        .route("/events", get(events::stream))
        .route("/ws", get(sockets::upgrade))
        .with_state(shop.clone())
        .merge(grpc::router(shop))
}

async fn index() -> &'static str {
    "GET /work?ms=N\nPOST /orders\nGET /orders/{id}\nGET /ledger\nPOST /upload\n\
     GET /stream?ms=N\nGET /events\nGET /ws\ngRPC shop.v1.Shop\n"
}

/// How long something takes.
#[derive(Deserialize)]
struct Takes {
    #[serde(default)]
    ms: u64,
}

async fn work(Query(takes): Query<Takes>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(takes.ms)).await;
    "done"
}

#[derive(Deserialize)]
struct Wanted {
    item: String,
    quantity: i64,
    /// How long it takes to send the receipt; so that there are jobs of every length.
    #[serde(default = "shortly")]
    receipt_ms: u64,
}

fn shortly() -> u64 {
    5
}

async fn order(
    State(shop): State<Shop>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    if wanted.quantity < 1 || wanted.item.is_empty() {
        return Err(Problem::Bad(
            "item must not be empty, quantity must be at least 1",
        ));
    }
    let new = NewOrder {
        item: &wanted.item,
        quantity: wanted.quantity,
        receipt_ms: wanted.receipt_ms,
    };
    let id = shop.store.order(&new).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))))
}

async fn one_order(State(shop): State<Shop>, Path(id): Path<i64>) -> Result<Response, Problem> {
    Ok(match shop.store.get(id).await? {
        Some(order) => Json(order).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn ledger(State(shop): State<Shop>) -> Result<Json<Ledger>, Problem> {
    Ok(Json(shop.store.ledger().await?))
}

/// Reads the whole body, without a limit and without keeping it, and says how long it was.
async fn upload(mut body: Body) -> Result<String, Problem> {
    let mut bytes = 0_u64;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::Bad("the body broke off"))?;
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes.to_string())
}

/// How many chunks `/stream` sends, and how long each is.
const CHUNKS: u32 = 10;
const CHUNK: usize = 1024;

/// Ten chunks, evenly over the time asked for.
async fn stream(Query(takes): Query<Takes>) -> Body {
    let pause = Duration::from_millis(takes.ms) / CHUNKS;
    Body::from_stream(futures_util::stream::unfold(0, move |n| async move {
        if n == CHUNKS {
            return None;
        }
        tokio::time::sleep(pause).await;
        let line = format!("chunk {} of {CHUNKS}\n", n + 1);
        let chunk: Bytes = line.into_bytes().into_iter().cycle().take(CHUNK).collect();
        Some((Ok::<_, Infallible>(chunk), n + 1))
    }))
}

/// What can go wrong.
enum Problem {
    Bad(&'static str),
    Database(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Problem {
        Problem::Database(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Problem::Bad(what) => (StatusCode::BAD_REQUEST, format!("{what}\n")).into_response(),
            Problem::Database(error) => {
                tracing::error!(%error, "database");
                (StatusCode::INTERNAL_SERVER_ERROR, "the database failed\n").into_response()
            }
        }
    }
}
