//! The loads of a plan, as data: who asks what, when, and how many do.
//!
//! # What must hold
//! - Nothing is asked that the plan does not name, and there is no load without a client.
//! - Whoever starts loads or looks whether they are served reads them here.

use std::time::Duration;

use crate::ledger::Lane;
use crate::plan::{Arrivals, Plan};
use crate::request::RequestTemplate;

/// One load.
pub(super) struct Load {
    pub(super) lane: Lane,
    pub(super) clients: u32,
    /// What its clients ask: one of them at random, or where each asks but once, in turn.
    pub(super) requests: Vec<RequestTemplate>,
    /// What they ask besides on the same connections: a pool orders, HTTP/2 what is to be in flight at the signal, gRPC
    /// streams.
    pub(super) besides: Vec<RequestTemplate>,
    pub(super) arrival: Arrival,
}

/// When the clients of a load ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// One request after the other, each behind the answer to the one before and a pause, at most this long if that is set.
    Closed { think: Option<Duration> },
    /// Whatever is answered.
    Open(Arrivals),
    /// Once, and it stays open; again where it ends.
    HeldOpen,
    /// Once, to be at a certain moment when the signal comes.
    AtSignal,
}

impl Load {
    fn new(lane: Lane, clients: u32, requests: &[RequestTemplate], arrival: Arrival) -> Self {
        Self {
            lane,
            clients,
            requests: requests.to_vec(),
            besides: Vec::new(),
            arrival,
        }
    }

    fn besides(self, requests: &[RequestTemplate]) -> Self {
        Self {
            besides: requests.to_vec(),
            ..self
        }
    }

    /// Whether it has somebody who asks, and something to ask.
    fn is_any(&self) -> bool {
        let is_enough = match self.lane {
            Lane::H2 | Lane::Grpc => !self.besides.is_empty(),
            _ => false,
        };
        self.clients > 0 && (is_enough || !self.requests.is_empty())
    }

    /// What a client asks that asks but once.
    pub(super) fn request_of(&self, client: u32) -> RequestTemplate {
        self.requests[client as usize % self.requests.len()].clone()
    }

    /// Whether one of its requests has to be answered before the signal.
    pub(super) fn is_answered_before(&self) -> bool {
        match self.arrival {
            Arrival::Closed { .. } | Arrival::Open(_) => !self.requests.is_empty(),
            Arrival::HeldOpen => false,
            Arrival::AtSignal => self.has_a_control(),
        }
    }

    /// Whether its requests take so long that they are made once, to their end, before the signal.
    pub(super) fn has_a_control(&self) -> bool {
        let takes_long = matches!(self.lane, Lane::Slow | Lane::Upload | Lane::Download);
        takes_long && self.arrival == Arrival::AtSignal
    }
}

/// The loads around a signal.
pub(super) fn of_a_shutdown(plan: &Plan) -> Vec<Load> {
    let mut loads = going_on(plan, &plan.slow);
    let counts = &plan.clients;
    let where_there_is = |it: bool| if it { counts.moments } else { 0 };
    let tls = where_there_is(plan.url.tls.is_some());
    let h2 = where_there_is(plan.h2);
    let at_signal = [
        (Lane::Slow, counts.slow, &plan.slow),
        (Lane::Silent, counts.moments, &plan.get),
        (Lane::HalfHead, counts.moments, &plan.get),
        (Lane::BetweenRequests, counts.moments, &plan.get),
        (Lane::Unread, counts.moments, &plan.get),
        (Lane::HeadSent, counts.moments, &plan.uploads),
        (Lane::Upload, counts.uploads, &plan.uploads),
        (Lane::Download, counts.downloads, &plan.downloads),
        (Lane::TlsHandshake, tls, &plan.get),
        (Lane::H2Preface, h2, &plan.get),
        (Lane::H2HalfBody, h2, &plan.uploads),
    ];
    let at_signal =
        at_signal.map(|(lane, clients, asked)| Load::new(lane, clients, asked, Arrival::AtSignal));
    loads.extend(at_signal);
    loads.retain(Load::is_any);
    loads
}

/// The loads around a trigger, which knows of no signal: what takes long is asked again and again.
pub(super) fn of_an_episode(plan: &Plan) -> Vec<Load> {
    let mut loads = going_on(plan, &[]);
    let counts = &plan.clients;
    let takes_long = [
        (Lane::Slow, counts.slow, &plan.slow),
        (Lane::Upload, counts.uploads, &plan.uploads),
        (Lane::Download, counts.downloads, &plan.downloads),
    ];
    let again = Arrival::Closed { think: None };
    loads.extend(takes_long.map(|(lane, clients, asked)| Load::new(lane, clients, asked, again)));
    loads.retain(Load::is_any);
    loads
}

/// What goes on for as long as one likes, whatever is stopped meanwhile. `slow` is what HTTP/2 has in flight at the signal.
fn going_on(plan: &Plan, slow: &[RequestTemplate]) -> Vec<Load> {
    let (get, counts) = (&plan.get, &plan.clients);
    let closed = Arrival::Closed {
        think: counts.think,
    };
    let sockets: Vec<_> = plan.websockets.iter().map(RequestTemplate::get).collect();
    let with_h2 = |clients: u32| if plan.h2 { clients } else { 0 };
    let streams = &plan.event_streams;
    let streams_h2 = with_h2(counts.event_streams.div_ceil(2));
    vec![
        Load::new(Lane::KeepAlive, counts.keep_alive, get, closed),
        Load::new(Lane::Pool, counts.pooled, get, closed).besides(&plan.post),
        Load::new(
            Lane::PerRequest,
            counts.per_request,
            get,
            Arrival::Open(counts.arrivals),
        ),
        Load::new(Lane::Order, counts.orders, &plan.post, closed),
        Load::new(Lane::Grpc, counts.grpc, &plan.grpc, closed).besides(&plan.grpc_streams),
        Load::new(Lane::H2, with_h2(counts.h2), get, closed).besides(slow),
        Load::new(
            Lane::WebSocket,
            counts.websockets,
            &sockets,
            Arrival::HeldOpen,
        ),
        Load::new(
            Lane::Events,
            counts.event_streams,
            streams,
            Arrival::HeldOpen,
        ),
        Load::new(Lane::EventsH2, streams_h2, streams, Arrival::HeldOpen),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    fn plan() -> Plan {
        let url = Endpoint::parse("http://127.0.0.1:1").expect("a URL");
        Plan::new(url, ["server"])
    }

    fn lanes(loads: &[Load]) -> Vec<Lane> {
        loads.iter().map(|it| it.lane).collect()
    }

    #[test]
    fn only_what_is_named_is_asked() {
        let mut plan = plan();
        assert!(of_a_shutdown(&plan).is_empty() && of_an_episode(&plan).is_empty());
        plan.slow.push(RequestTemplate::get("/slow"));
        assert_eq!(lanes(&of_a_shutdown(&plan)), [Lane::Slow]);
        plan.h2 = true;
        assert_eq!(lanes(&of_a_shutdown(&plan)), [Lane::H2, Lane::Slow]);
        // There it has no signal to be in flight at.
        assert_eq!(lanes(&of_an_episode(&plan)), [Lane::Slow]);
        plan.clients.slow = 0;
        assert_eq!(lanes(&of_a_shutdown(&plan)), [Lane::H2]);
    }

    #[test]
    fn a_load_that_takes_long_is_made_once_before_a_signal_and_goes_on_around_a_trigger() {
        let mut plan = plan();
        plan.slow.push(RequestTemplate::get("/slow"));
        let [at_signal] = &of_a_shutdown(&plan)[..] else {
            panic!("one load");
        };
        assert!(at_signal.has_a_control() && at_signal.is_answered_before());
        let [going_on] = &of_an_episode(&plan)[..] else {
            panic!("one load");
        };
        assert!(!going_on.has_a_control() && going_on.is_answered_before());
    }

    #[test]
    fn a_pool_needs_more_than_orders_and_a_stream_of_grpc_no_call() {
        let mut plan = plan();
        plan.post.push(RequestTemplate::post("/orders", "{}"));
        plan.grpc_streams.push(RequestTemplate::get("/watch"));
        let loads = of_an_episode(&plan);
        assert_eq!(lanes(&loads), [Lane::Order, Lane::Grpc]);
        // Its stream is no answer.
        assert!(!loads[1].is_answered_before());
    }
}
