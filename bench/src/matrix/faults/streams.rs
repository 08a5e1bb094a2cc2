//! HTTP/2, gRPC, event streams and WebSockets.

use super::super::fault::{Fault, fault};
use super::{NODE, PYTHON, SCRIPTS};

const PHASE: &str = "It begins while readiness fails and the listener is open.";
const HANGS: &str =
    "It could have ended its stream; it lets it go at the end of its grace and exits with 124.";

pub fn faults() -> Vec<Fault> {
    vec![
        fault(
            NODE,
            "h2-status",
            "answers 404 over HTTP/2 from the signal on",
        )
        .breaks(
            "h2-lossless",
            "Streams are answered in another way than before the signal.",
        )
        .breaks("lame-duck-serves", PHASE),
        fault(
            NODE,
            "h2-cut",
            "resets streams from the signal on (INTERNAL_ERROR)",
        )
        .breaks(
            "h2-lossless",
            "They are neither answered nor sent back as unprocessed.",
        )
        .breaks("lame-duck-serves", PHASE),
        fault(
            NODE,
            "h2-no-goaway",
            "closes HTTP/2 connections without a GOAWAY, in the middle of the lame-duck phase",
        )
        .breaks(
            "h2-lossless",
            "Streams under way are neither answered nor sent back as unprocessed.",
        )
        .breaks("grpc-lossless", "So are calls.")
        .breaks("lame-duck-serves", PHASE),
        fault(
            NODE,
            "grpc-unimplemented",
            "ends calls UNIMPLEMENTED from the signal on",
        )
        .breaks(
            "grpc-lossless",
            "Calls end with another status than before the signal.",
        )
        .breaks("lame-duck-serves", PHASE),
        fault(
            NODE,
            "grpc-unavailable",
            "ends calls UNAVAILABLE from the signal on",
        )
        .breaks(
            "grpc-lossless",
            "A call that was sent fails with UNAVAILABLE.",
        )
        .breaks("lame-duck-serves", PHASE),
        fault(NODE, "grpc-cut", "resets calls from the signal on (CANCEL)")
            .breaks("grpc-lossless", "Calls end without a status.")
            .breaks("lame-duck-serves", PHASE),
        fault(
            NODE,
            "grpc-stays-serving",
            "its health service says SERVING to the end",
        )
        .breaks("grpc-lossless", "Health has to say NOT_SERVING."),
        fault(NODE, "grpc-hangs", "never ends its gRPC streams")
            .breaks(
                "grpc-lossless",
                "They are cut, without a status, when the process ends.",
            )
            .breaks("exits-zero", HANGS),
        fault(
            SCRIPTS,
            "event-cut",
            "ends event streams without their last chunk",
        )
        .breaks("sse-ends", "The end of the body is missing."),
        fault(
            SCRIPTS,
            "event-torn",
            "ends event streams in the middle of an event",
        )
        .breaks("sse-ends", "Half an event is thrown away by its client."),
        fault(SCRIPTS, "events-hang", "never ends its event streams")
            .breaks("sse-ends", "They are cut when the process ends.")
            .breaks("exits-zero", HANGS),
        fault(SCRIPTS, "websocket-cut", "ends WebSockets without a Close").breaks(
            "websocket-closed",
            "There is no Close, and no closing handshake.",
        ),
        fault(SCRIPTS, "websocket-1000", "closes WebSockets with 1000")
            .breaks("websocket-closed", "1000 is neither 1001 nor 1012."),
        fault(
            PYTHON,
            "websocket-hurried",
            "says Close, and resets without waiting for the answer",
        )
        .breaks("websocket-closed", "There is no closing handshake.")
        .breaks("no-reset", "It resets."),
        fault(
            SCRIPTS,
            "websocket-burst",
            "sends all WebSockets away at once",
        )
        .breaks("websocket-paced", "Half of them go in less than 100 ms."),
    ]
}
