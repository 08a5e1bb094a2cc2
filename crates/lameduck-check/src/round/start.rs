//! Starts the clients of a load: which program each lane has.

use std::time::Instant;

use tokio::sync::watch;

use super::crowd::Crowd;
use super::loads::{Arrival, Load};
use crate::ledger::Lane;
use crate::load::barrier::Cue;
use crate::load::pool::{Pool, Takes};
use crate::load::upload::Rest;
use crate::load::websocket::HalfWay;
use crate::load::{
    download, grpc, h2, h2_slow_client, keep_alive, order, per_request, pool, slow, slow_client,
    sse, tls_handshake, unread, upload, websocket,
};

/// What a load that goes on has to do with the signal: of its connections some are to be in a certain state then.
#[derive(Clone)]
pub(super) struct SignalComes {
    /// When what is to be in flight or half way goes out; set when the moment of the signal is known.
    pub(super) sends_at: watch::Receiver<Option<Instant>>,
    /// So many WebSockets are in the middle of a message.
    pub(super) half_way: u32,
}

/// Starts what goes on, whatever is stopped meanwhile. Without a signal nothing is caught by one.
pub(super) fn going_on(crowd: &mut Crowd, loads: &[Load], signal: Option<&SignalComes>) {
    loads.iter().for_each(|load| start(crowd, load, signal));
}

fn start(crowd: &mut Crowd, load: &Load, signal: Option<&SignalComes>) {
    let (lane, count) = (load.lane, load.clients);
    let (asked, besides) = (&load.requests, &load.besides);
    match (lane, load.arrival) {
        (_, Arrival::AtSignal) => {}
        (_, Arrival::Open(arrivals)) => crowd.clients(lane, count, |stage, client| {
            per_request::run(stage, client, asked.clone(), arrivals)
        }),
        (Lane::Pool, Arrival::Closed { think }) => {
            let script = pool::PoolScript {
                get: asked.clone(),
                post: besides.clone(),
            };
            let pools = [Takes::Newest, Takes::Oldest].map(Pool::new);
            crowd.clients(lane, count, |stage, client| {
                let pool = pools[client.number as usize % pools.len()].clone();
                pool::run(stage, client, script.clone(), pool, think)
            });
        }
        (Lane::Order, _) => crowd.clients(lane, count, |stage, client| {
            order::run(stage, client, asked.clone())
        }),
        (Lane::Grpc, _) => {
            let script = grpc::GrpcScript {
                unary: asked.clone(),
                streams: besides.clone(),
            };
            crowd.clients(lane, count, |stage, client| {
                grpc::run(stage, client, script.clone())
            });
        }
        (Lane::H2, _) => {
            let never = || watch::channel(None).1;
            let script = h2::H2Script {
                quick: asked.clone(),
                slow: besides.clone(),
                slow_at: signal.map_or_else(never, |signal| signal.sends_at.clone()),
            };
            crowd.clients(lane, count, |stage, client| {
                h2::run(stage, client, script.clone())
            });
        }
        (Lane::WebSocket, _) => crowd.clients(lane, count, |stage, client| {
            let signal = signal.filter(|signal| client.number <= signal.half_way);
            let half_way = signal.map(|signal| HalfWay {
                place: stage.barrier().place(),
                from: signal.sends_at.clone(),
            });
            let path = load.request_of(client.number).path().to_owned();
            websocket::run(stage, client, path, half_way)
        }),
        (_, Arrival::HeldOpen) => crowd.clients(lane, count, |stage, client| {
            sse::run(stage, client, load.request_of(client.number))
        }),
        (_, Arrival::Closed { think }) => crowd.clients(lane, count, |stage, client| {
            keep_alive::run(stage, client, asked.clone(), think)
        }),
    }
}

/// Starts those that are to be at their moment when the signal comes; each is given a cue.
pub(super) fn at_signal(crowd: &mut Crowd, loads: &[Load], cue: impl Fn() -> Cue) {
    let loads = loads.iter().filter(|it| it.arrival == Arrival::AtSignal);
    for load in loads {
        for number in 1..=load.clients {
            catch(crowd, load, number, cue());
        }
    }
}

fn catch(crowd: &mut Crowd, load: &Load, number: u32, cue: Cue) {
    let (lane, request) = (load.lane, load.request_of(number));
    match lane {
        Lane::Slow => crowd.client(lane, number, |stage, client| {
            slow::run(stage, client, request, cue)
        }),
        Lane::Unread => crowd.client(lane, number, |stage, client| {
            unread::run(stage, client, request, cue)
        }),
        Lane::HeadSent | Lane::Upload => crowd.client(lane, number, |stage, client| {
            upload::run(stage, client, request, Rest::Dribbled, cue)
        }),
        Lane::Download => crowd.client(lane, number, |stage, client| {
            download::run(stage, client, request, cue)
        }),
        Lane::TlsHandshake => crowd.client(lane, number, |stage, client| {
            tls_handshake::run(stage, client, request, cue)
        }),
        Lane::H2Preface | Lane::H2HalfBody => crowd.client(lane, number, |stage, client| {
            h2_slow_client::run(stage, client, request, cue)
        }),
        _ => crowd.client(lane, number, |stage, client| {
            slow_client::run(stage, client, request, cue)
        }),
    }
}
