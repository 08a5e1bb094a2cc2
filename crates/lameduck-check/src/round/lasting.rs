//! The loads that go on for as long as one likes, whatever is stopped meanwhile.

use std::time::Instant;

use tokio::sync::watch;

use super::crowd::Crowd;
use crate::ledger::Lane;
use crate::load::pool::{Pool, Takes};
use crate::load::{grpc, h2, keep_alive, order, per_request, pool};
use crate::plan::Plan;

/// Starts them. `signal_comes` tells when what is to be in flight at the signal goes out, on connections that these loads
/// have anyway; without it nothing of that kind is asked.
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
    let (slow, streams) = match signal_comes {
        Some(_) => (plan.slow.clone(), plan.grpc_streams.clone()),
        None => Default::default(),
    };
    if !(plan.grpc.is_empty() && streams.is_empty()) {
        let script = grpc::GrpcScript {
            unary: plan.grpc.clone(),
            streams,
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
}
