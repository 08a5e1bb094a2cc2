//! Bodies that are half sent, or half read, at the signal.

use super::super::fault::{Fault, fault};
use super::{ALL, RUST};

pub fn faults() -> Vec<Fault> {
    vec![
        fault(
            ALL,
            "short-bodies",
            "ends bodies without a length early, by FIN",
        )
        .breaks(
            "download-completes",
            "Half of the bytes of before the signal come, and then FIN.",
        ),
        fault(
            RUST,
            "short-uploads",
            "answers 200 when half of an upload has come",
        )
        .breaks("upload-completes", "The body is not read to its end."),
        fault(
            RUST,
            "drops-uploads",
            "closes on uploads under way, without a word, and exits with 0",
        )
        .breaks(
            "upload-completes",
            "Bodies half sent at the signal are not answered.",
        )
        .breaks(
            "stuck-told",
            "The upload that never ends is let go, not named, and the exit is 0.",
        ),
    ]
}
