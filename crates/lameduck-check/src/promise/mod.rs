//! The promises: one file each, from the ledger to a verdict. Adding one is a file, and a line in each list here.

mod accept_lossless;
#[cfg(test)]
mod accounts_tests;
mod close_announced;
mod db_closed;
mod download_completes;
mod exits_zero;
mod grpc_lossless;
mod h2_lossless;
mod idle_exits;
mod inflight_completes;
mod jobs_accounted;
mod keepalive_lossless;
mod lame_duck_serves;
mod live_holds;
mod no_reset;
mod ready_flips;
mod second_signal;
mod sse_ends;
mod startup_signal;
#[cfg(test)]
mod stream_tests;
mod stuck_told;
#[cfg(test)]
mod tests;
mod upload_completes;
mod websocket_closed;
mod websocket_paced;
#[cfg(test)]
mod websocket_tests;
mod within_grace;

use crate::ledger::Ledger;
use crate::verdict::Verdict;

type Judge = fn(&Ledger) -> Verdict;

/// Every promise the prover can test, in the order of the report.
const PROMISES: &[(&str, Judge)] = &[
    ("ready-flips", ready_flips::judge),
    ("live-holds", live_holds::judge),
    ("lame-duck-serves", lame_duck_serves::judge),
    ("inflight-completes", inflight_completes::judge),
    ("keepalive-lossless", keepalive_lossless::judge),
    ("close-announced", close_announced::judge),
    ("accept-lossless", accept_lossless::judge),
    ("no-reset", no_reset::judge),
    ("upload-completes", upload_completes::judge),
    ("download-completes", download_completes::judge),
    ("h2-lossless", h2_lossless::judge),
    ("grpc-lossless", grpc_lossless::judge),
    ("sse-ends", sse_ends::judge),
    ("websocket-closed", websocket_closed::judge),
    ("websocket-paced", websocket_paced::judge),
    ("idle-exits", idle_exits::judge),
    ("jobs-accounted", jobs_accounted::judge),
    ("db-closed", db_closed::judge),
    ("startup-signal", startup_signal::judge),
    ("within-grace", within_grace::judge),
    ("exits-zero", exits_zero::judge),
    ("stuck-told", stuck_told::judge),
    ("second-signal", second_signal::judge),
];

/// Judges every promise.
pub(crate) fn judge_all(ledger: &Ledger) -> Vec<Verdict> {
    PROMISES
        .iter()
        .map(|(name, judge)| Verdict {
            name,
            ..judge(ledger)
        })
        .collect()
}
