//! Signals, readiness, and the end of the process.

use super::super::fault::{Fault, fault};
use super::{ALL, RUST};
use crate::planted::Planted::{Python, Rust};

pub fn faults() -> Vec<Fault> {
    vec![
        fault(ALL, "stays-ready", "stays ready").breaks(
            "ready-flips",
            "Readiness is good while connections are refused.",
        ),
        fault(
            RUST,
            "flips-late",
            "stays ready for 400 ms, and refuses from 150 ms on",
        )
        .breaks(
            "ready-flips",
            "Readiness is good while connections are refused.",
        )
        .breaks(
            "notice-served",
            "Balancers send here for 250 ms (`--notice`).",
        ),
        fault(RUST, "not-alive", "is no longer alive once signalled")
            .breaks("live-holds", "Liveness fails while the listener is open."),
        fault(RUST, "deaf", "does not react to the signal")
            .breaks("within-grace", "It has to be killed.")
            .breaks("ready-flips", "Readiness stays good.")
            .breaks("close-announced", "No response says `Connection: close`.")
            .breaks(
                "startup-signal",
                "A signal during its start-up changes nothing either.",
            )
            .breaks("second-signal", "Nor does the third.")
            .breaks("stuck-told", "It has to be killed, and has told nothing."),
        fault(
            RUST,
            "dies",
            "leaves the signal to the kernel, which ends it on the spot",
        )
        .breaks("inflight-completes", "Requests in flight are cut.")
        .breaks(
            "keepalive-lossless",
            "Some of those are on connections that had carried one.",
        )
        .breaks("accept-lossless", "Others are on new connections.")
        .breaks(
            "no-reset",
            "The kernel resets connections with a body that was not read.",
        )
        .breaks("upload-completes", "Uploads half sent are cut.")
        .breaks("download-completes", "Downloads half read are cut.")
        .breaks(
            "notice-served",
            "From the signal on whoever comes is refused.",
        )
        .breaks("exits-zero", "It ended by the signal on the spot.")
        .breaks("stuck-told", "What was let go is named nowhere."),
        fault(
            &[Rust, Python],
            "stuck-untold",
            "lets go without a word, and exits with 0",
        )
        .breaks(
            "stuck-told",
            "What was let go is not named, and the exit is 0.",
        ),
        fault(RUST, "stuck-zero", "says what it lets go, and exits with 0")
            .breaks("stuck-told", "Something was let go, and the exit is 0."),
        fault(
            RUST,
            "stuck-unnamed",
            "lets go with a number and some slashes, and exits with 124",
        )
        .breaks("stuck-told", "What was let go is not named."),
        fault(RUST, "one-signal", "a further signal changes nothing").breaks(
            "second-signal",
            "With requests in flight it lives on after the third.",
        ),
        fault(
            RUST,
            "start-up-fails",
            "exits with 1 when the signal comes during start-up",
        )
        .breaks("startup-signal", "That is no clean end."),
        fault(ALL, "orphan", "leaves a process behind that it had started").breaks(
            "no-orphans",
            "The process runs on when the server has ended.",
        ),
    ]
}
