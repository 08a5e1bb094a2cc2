//! Servers without a fault, some of them in an odd way; and those that are not fit to be tested.

use super::super::fault::{Fault, Situation, fault};
use super::{ALL, NODE, RUST, SCRIPTS};
use crate::planted::Planted::{Node, Python, Rust, Shop};

pub fn faults() -> Vec<Fault> {
    vec![
        fault(&[Rust, Python, Node, Shop], "none", "nothing wrong"),
        fault(
            RUST,
            "none-with-database",
            "nothing wrong; it has a session with PostgreSQL",
        )
        .acts_as("none")
        .put_into(Situation::Database),
        fault(
            RUST,
            "ticks",
            "looks each 100 ms whether it was signalled, as uvicorn does",
        ),
        fault(
            RUST,
            "late-idle",
            "looks for idle connections 5 s after the signal, as Go does",
        )
        .grace(8),
        fault(
            RUST,
            "exit-signal",
            "drains, then ends by the signal, which is said to be right (`--expect-exit 0,143`)",
        )
        .asked(|plan| plan.expect_exit = vec![0, 143]),
        fault(RUST, "always-errors", "answers 500, signalled or not").unhealthy(&["status 500"]),
        // Whichever of the two is seen first.
        fault(NODE, "always-refuses-h2", "speaks no HTTP/2").unhealthy(&["--h2", "speak gRPC"]),
        fault(
            NODE,
            "grpc-always-fails",
            "ends each gRPC call PERMISSION_DENIED, signalled or not",
        )
        .unhealthy(&["PERMISSION_DENIED"]),
        fault(
            NODE,
            "grpc-stream-status",
            "ends each gRPC stream PERMISSION_DENIED",
        )
        .unhealthy(&["PERMISSION_DENIED"]),
        fault(
            SCRIPTS,
            "event-status",
            "answers 404 where its event stream should be",
        )
        .unhealthy(&["status 404"]),
        fault(
            SCRIPTS,
            "websocket-refuses",
            "answers 403 to each WebSocket",
        )
        .unhealthy(&["403"]),
        fault(ALL, "exit-three", "exits with 3, after a drain")
            .breaks("exits-zero", "All work had ended, and nothing was let go."),
        fault(
            RUST,
            "exit-signal-unexpected",
            "drains, then ends by the signal, and nobody said that this is right",
        )
        .acts_as("exit-signal")
        .breaks(
            "exits-zero",
            "Unless it is told otherwise, the prover takes 0 alone for right.",
        ),
    ]
}
