//! `keepalive-lossless`: no request on a reused connection is lost, at any round-trip time.

use super::exposure;
use crate::ledger::{Lane, Ledger};
use crate::verdict::{Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    for round in ledger.load_rounds() {
        finding.of(round);
        let reused = round.since_signal().filter(|exchange| {
            matches!(exchange.lane, Lane::KeepAlive | Lane::Pool | Lane::Order)
                && exchange.reused
                && exchange.written.is_some()
        });
        for exchange in reused {
            match exchange.ending.is_lost() {
                true => finding.failed(round.may_be_late(exchange), round.evidence_of(exchange)),
                false => finding.kept(),
            }
        }
    }
    finding.verdict(
        format!(
            "every request on a reused connection was answered{}",
            exposure::of_crossing(ledger)
        ),
        "requests on reused connections crossed a close on its way",
        match ledger.has_load(&[Lane::KeepAlive, Lane::Pool, Lane::Order]) {
            true => Untried::missed("no request was made on a reused connection after the signal"),
            false => Untried::unasked("give --get PATH to test it"),
        },
    )
}
