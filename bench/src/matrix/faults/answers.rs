//! What is answered from the signal on. Uploads, streams, HTTP/2 and gRPC have faults of their own, and are served here.

use super::super::fault::{Fault, fault};
use super::{ALL, RUST};

const IN_FLIGHT: &str =
    "Requests in flight at the signal are answered in another way than before it.";
const PHASE: &str = "So are those that come while readiness fails and the listener is open.";
const LOST_IN_FLIGHT: &str = "Requests in flight at the signal get no whole response.";
const LOST_IN_PHASE: &str =
    "Nor do those that come while readiness fails and the listener is open.";
const LOST_REUSED: &str = "Some of those come on connections that had carried one.";
const LOST_FRESH: &str = "Others come on new connections, which are established and end unserved.";

pub fn faults() -> Vec<Fault> {
    let changed = |servers, name, does| {
        fault(servers, name, does)
            .breaks("inflight-completes", IN_FLIGHT)
            .breaks("lame-duck-serves", PHASE)
    };
    vec![
        changed(ALL, "not-found", "answers 404 from the signal on"),
        changed(RUST, "unauthorized", "answers 401 from the signal on"),
        changed(RUST, "bad-request", "answers 400 from the signal on"),
        changed(RUST, "redirects", "answers 302 from the signal on"),
        changed(RUST, "too-many", "answers 429 from the signal on"),
        changed(ALL, "empty", "answers 200 without a body from the signal on, to orders too, which it does not enter")
            .breaks("jobs-accounted", "Orders are acknowledged by 200, and are in no books."),
        changed(RUST, "errors", "answers 503 from the signal on")
            .breaks("notice-served", "Whoever comes after the signal is turned away while balancers still send here."),
        fault(RUST, "turns-away", "answers what is in flight, and 503 to all that comes after the signal")
            .breaks("lame-duck-serves", "What comes while readiness fails and the listener is open gets 503.")
            .breaks("notice-served", "Whoever comes after the signal is turned away while balancers still send here."),
        fault(RUST, "slows", "takes 800 ms more for each answer, from the signal on")
            .breaks("lame-duck-serves", "Before the signal the same answers took 20 ms."),
        fault(ALL, "resets", "resets instead of answering, from the signal on")
            .breaks("inflight-completes", LOST_IN_FLIGHT)
            .breaks("lame-duck-serves", LOST_IN_PHASE)
            .breaks("keepalive-lossless", LOST_REUSED)
            .breaks("accept-lossless", LOST_FRESH)
            .breaks("no-reset", "It resets."),
        fault(ALL, "closes", "closes instead of answering, from the signal on")
            .breaks("inflight-completes", LOST_IN_FLIGHT)
            .breaks("lame-duck-serves", LOST_IN_PHASE)
            .breaks("keepalive-lossless", LOST_REUSED)
            .breaks("accept-lossless", LOST_FRESH),
        fault(ALL, "cuts", "sends half of each response and stream, from the signal on, to orders too, which it does not enter")
            .breaks("inflight-completes", LOST_IN_FLIGHT)
            .breaks("lame-duck-serves", LOST_IN_PHASE)
            .breaks("keepalive-lossless", LOST_REUSED)
            .breaks("download-completes", "Chunked bodies half read at the signal end without their last chunk.")
            .breaks("jobs-accounted", "The head of the answer acknowledges orders that are in no books."),
    ]
}
