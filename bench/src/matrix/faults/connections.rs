//! How connections are accepted and ended.

use super::super::fault::{Fault, fault};
use super::{ALL, NODE, RUST};
use crate::planted::Planted::{Python, Rust};

pub fn faults() -> Vec<Fault> {
    vec![
        fault(
            RUST,
            "stops-accepting",
            "accepts nobody for 4.5 s from the signal on, with a queue that has room for all",
        )
        .breaks(
            "lame-duck-serves",
            "Readiness fails and the listener is open, and who comes is served after seconds.",
        )
        .grace(8),
        fault(
            RUST,
            "full-queue",
            "accepts nobody for 4.5 s from the signal on, with a queue that is full at once",
        )
        .breaks(
            "accept-lossless",
            "Its listener is there, and connection attempts get no answer.",
        )
        .breaks(
            "lame-duck-serves",
            "Readiness fails and the listener is open, and nobody is served.",
        )
        .breaks(
            "notice-served",
            "Attempts of the first 250 ms get no answer (`--notice`).",
        )
        .breaks(
            "no-reset",
            "Handshakes that find the queue full do not end, and are reset with the listener.",
        )
        .grace(12),
        // Who speaks HTTP/2 does not connect often enough to be in the queue for sure.
        fault(
            ALL,
            "drops-queue",
            "closes its listener with connections in its queue",
        )
        .breaks(
            "accept-lossless",
            "The kernel resets what is established and was not accepted.",
        )
        .breaks(
            "lame-duck-serves",
            "Those had come while the listener was open.",
        )
        .breaks("no-reset", "It is the kernel's reset.")
        .asked(|plan| {
            plan.h2 = false;
            plan.grpc.clear();
            plan.grpc_streams.clear();
        }),
        fault(
            RUST,
            "resets-accepted",
            "accepts and resets at once, from the signal on",
        )
        .breaks(
            "accept-lossless",
            "Connections are established and end unserved.",
        )
        .breaks(
            "lame-duck-serves",
            "That is so while readiness fails and the listener is open.",
        )
        .breaks("no-reset", "It resets."),
        fault(
            RUST,
            "refuses-at-once",
            "accepts nobody from the signal on, and refuses 150 ms after it",
        )
        .breaks(
            "notice-served",
            "Balancers send here for 250 ms (`--notice`).",
        ),
        fault(
            RUST,
            "resets-at-exit",
            "says that it closes, and resets at its end (SO_LINGER 0)",
        )
        .breaks(
            "no-reset",
            "Each connection that was answered ends with RST.",
        ),
        fault(
            ALL,
            "unannounced",
            "says nothing of closing, and cuts at the end of its grace those that it serves",
        )
        .breaks("close-announced", "No response says `Connection: close`.")
        .breaks(
            "keepalive-lossless",
            "Clients come back on connections that are cut under their requests.",
        )
        .breaks(
            "exits-zero",
            "All work could end, but more of it was taken each time: it exits with 124.",
        )
        // So many that some are served at any moment.
        .asked(|plan| plan.clients.keep_alive = 24),
        fault(
            &[Rust, Python],
            "closes-idle",
            "closes idle connections at the signal",
        )
        .breaks_far(
            "keepalive-lossless",
            "For half a round trip requests are sent that cross the FIN.",
        )
        .breaks_far(
            "lame-duck-serves",
            "All of those are sent while readiness fails and the listener is open.",
        ),
        fault(
            NODE,
            "plain-close",
            "closes its listener and its idle connections at the signal, as `server.close()` does",
        )
        .breaks(
            "notice-served",
            "From the signal on whoever comes is refused.",
        )
        .breaks_far(
            "keepalive-lossless",
            "For half a round trip requests are sent that cross the FIN.",
        )
        .breaks_far(
            "accept-lossless",
            "Handshakes are under way for a round trip, and a listener that closes resets them.",
        )
        .breaks_far("no-reset", "It is the kernel's reset.")
        // So many that some are connecting at any moment.
        .asked(|plan| (plan.clients.keep_alive, plan.clients.per_request) = (24, 12)),
        fault(
            RUST,
            "drops-silent",
            "closes connections on which nothing had come at the signal, when their request has",
        )
        .breaks(
            "inflight-completes",
            "Their request arrives on a connection that was accepted, and gets no answer.",
        ),
        fault(
            RUST,
            "drops-half-heads",
            "closes connections on which half of a head had come at the signal, when the rest has",
        )
        .breaks(
            "inflight-completes",
            "Their request is whole on a connection that was accepted, and gets no answer.",
        ),
        fault(
            RUST,
            "drops-kept",
            "closes connections that were between two requests at the signal, when the next has come",
        )
        .breaks(
            "keepalive-lossless",
            "The next request on a connection in use gets no answer.",
        )
        .breaks(
            "lame-duck-serves",
            "It comes while readiness fails and the listener is open.",
        ),
        fault(
            RUST,
            "drops-heads",
            "closes on uploads of which the head alone had come at the signal, when the body has",
        )
        .breaks("upload-completes", "Their body is not answered."),
        fault(RUST, "hostage", "waits for its peers for ever")
            .breaks("idle-exits", "Idle and half-open peers hold it.")
            .breaks("within-grace", "They hold it past its grace.")
            .breaks("stuck-told", "So does an upload that never ends."),
    ]
}
