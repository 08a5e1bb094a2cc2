//! The promises: one file each, from the ledger to a verdict. Adding one is a file, and a line in each list here.

mod accept_lossless;
#[cfg(test)]
mod accounts_tests;
mod close_announced;
mod db_closed;
mod download_completes;
mod exits_zero;
mod exposure;
mod grpc_lossless;
mod h2_lossless;
mod idle_exits;
mod inflight_completes;
mod jobs_accounted;
mod keepalive_lossless;
mod lame_duck_serves;
mod live_holds;
mod no_reset;
mod notice_served;
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
use crate::rules::Rules;
use crate::verdict::{Class, Verdict};

type Judge = fn(&Ledger) -> Verdict;

/// Every promise the prover can test, in the order of the report: class by class.
const PROMISES: &[(&str, Class, Judge)] = &[
    ("ready-flips", Class::Loss, ready_flips::judge),
    ("lame-duck-serves", Class::Loss, lame_duck_serves::judge),
    ("notice-served", Class::Loss, notice_served::judge),
    ("inflight-completes", Class::Loss, inflight_completes::judge),
    ("keepalive-lossless", Class::Loss, keepalive_lossless::judge),
    ("accept-lossless", Class::Loss, accept_lossless::judge),
    ("no-reset", Class::Loss, no_reset::judge),
    ("upload-completes", Class::Loss, upload_completes::judge),
    ("download-completes", Class::Loss, download_completes::judge),
    ("h2-lossless", Class::Loss, h2_lossless::judge),
    ("grpc-lossless", Class::Loss, grpc_lossless::judge),
    ("sse-ends", Class::Loss, sse_ends::judge),
    ("websocket-closed", Class::Loss, websocket_closed::judge),
    ("jobs-accounted", Class::Loss, jobs_accounted::judge),
    ("db-closed", Class::Loss, db_closed::judge),
    ("live-holds", Class::Time, live_holds::judge),
    ("idle-exits", Class::Time, idle_exits::judge),
    ("within-grace", Class::Time, within_grace::judge),
    ("startup-signal", Class::Convention, startup_signal::judge),
    ("close-announced", Class::Convention, close_announced::judge),
    ("websocket-paced", Class::Convention, websocket_paced::judge),
    ("exits-zero", Class::Convention, exits_zero::judge),
    ("stuck-told", Class::Convention, stuck_told::judge),
    ("second-signal", Class::Convention, second_signal::judge),
];

/// The names of all promises.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROMISES.iter().map(|(name, ..)| *name)
}

/// The names of all promises, each with its class.
pub(crate) fn classes() -> impl Iterator<Item = (&'static str, Class)> {
    PROMISES.iter().map(|(name, class, _)| (*name, *class))
}

/// Judges every promise, by the rules of the run.
pub(crate) fn judge_all(ledger: &Ledger, rules: &Rules) -> Vec<Verdict> {
    let judged = PROMISES.iter().map(|&(name, class, judge)| {
        let mut verdict = Verdict {
            name,
            class,
            ..judge(ledger)
        };
        for evidence in &mut verdict.evidence {
            evidence.class = class;
        }
        verdict
    });
    judged.map(|verdict| rules.apply(verdict)).collect()
}
