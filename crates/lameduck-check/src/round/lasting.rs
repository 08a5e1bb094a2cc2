//! The loads that go on for as long as one likes, whatever is stopped meanwhile.

use std::time::Instant;

use tokio::sync::watch;

use super::crowd::Crowd;
use crate::ledger::Lane;
use crate::load::pool::{Pool, Takes};
use crate::load::websocket::HalfWay;
use crate::load::{grpc, h2, keep_alive, order, per_request, pool, sse, websocket};
use crate::plan::Plan;
use crate::request::RequestTemplate;

/// Starts them. `signal_comes` tells when what is to be in flight or half way at the signal goes out, on connections that
/// these loads have anyway; without it nothing of that kind is sent.
pub(super) fn begin(
    crowd: &mut Crowd,
    plan: &Plan,
    signal_comes: Option<watch::Receiver<Option<Instant>>>,
) {
    let (get, post, counts) = (&plan.get, &plan.post, &plan.clients);
    if !get.is_empty() {
        crowd.clients(Lane::KeepAlive, counts.keep_alive, |stage, client| {
            keep_alive::run(stage, client, get.clone(), counts.think)
        });
        let script = pool::PoolScript {
            get: get.clone(),
            post: post.clone(),
        };
        let pools = [Takes::Newest, Takes::Oldest].map(Pool::new);
        crowd.clients(Lane::Pool, counts.pooled, |stage, client| {
            let pool = pools[client.number as usize % pools.len()].clone();
            pool::run(stage, client, script.clone(), pool, counts.think)
        });
        crowd.clients(Lane::PerRequest, counts.per_request, |stage, client| {
            per_request::run(stage, client, get.clone(), counts.arrivals)
        });
    }
    if !post.is_empty() {
        crowd.clients(Lane::Order, counts.orders, |stage, client| {
            order::run(stage, client, post.clone())
        });
    }
    let half_way = signal_comes.clone();
    let slow = match signal_comes {
        Some(_) => plan.slow.clone(),
        None => Vec::new(),
    };
    if plan.has_grpc() {
        let script = grpc::GrpcScript {
            unary: plan.grpc.clone(),
            streams: plan.grpc_streams.clone(),
        };
        crowd.clients(Lane::Grpc, counts.grpc, |stage, client| {
            grpc::run(stage, client, script.clone())
        });
    }
    if plan.h2 && (signal_comes.is_some() || !get.is_empty()) {
        let script = h2::H2Script {
            quick: get.clone(),
            slow,
            slow_at: signal_comes.unwrap_or_else(|| watch::channel(None).1),
        };
        crowd.clients(Lane::H2, counts.h2, |stage, client| {
            h2::run(stage, client, script.clone())
        });
    }
    held_open(crowd, plan, half_way);
}

/// Starts the loads that are held open.
fn held_open(
    crowd: &mut Crowd,
    plan: &Plan,
    signal_comes: Option<watch::Receiver<Option<Instant>>>,
) {
    let (websockets, counts) = (&plan.websockets, &plan.clients);
    if !websockets.is_empty() {
        crowd.clients(Lane::WebSocket, counts.websockets, |stage, client| {
            let path = &websockets[client.number as usize % websockets.len()];
            let signal_comes = signal_comes
                .clone()
                .filter(|_| client.number <= counts.moments);
            let half_way = signal_comes.map(|from| HalfWay {
                place: stage.barrier().place(),
                from,
            });
            websocket::run(stage, client, path.clone(), half_way)
        });
    }
    in_turn(&plan.event_streams, |streams| {
        let count = counts.event_streams;
        crowd.clients(Lane::Events, count, |stage, client| {
            sse::run(stage, client, streams(client.number))
        });
        let count = if plan.h2 { count.div_ceil(2) } else { 0 };
        crowd.clients(Lane::EventsH2, count, |stage, client| {
            sse::run(stage, client, streams(client.number))
        });
    });
}

/// Gives a load, if there is anything for it to ask, its requests: one after the other, client by client.
pub(super) fn in_turn(
    requests: &[RequestTemplate],
    load: impl FnOnce(&dyn Fn(u32) -> RequestTemplate),
) {
    if !requests.is_empty() {
        load(&|client| requests[client as usize % requests.len()].clone());
    }
}
