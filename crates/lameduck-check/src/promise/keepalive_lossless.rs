//! `keepalive-lossless`: no request on a reused connection is lost, at any round-trip time.

use super::Promise;
use super::exposure::Crossing;
use crate::ledger::{Lane, Round};
use crate::verdict::{Finding, Untried, Verdict};

/// Loads that keep their connections.
const KEPT: &[Lane] = &[
    Lane::KeepAlive,
    Lane::Pool,
    Lane::Order,
    Lane::BetweenRequests,
];

#[derive(Default)]
pub(super) struct KeepaliveLossless {
    is_asked: bool,
    crossing: Crossing,
}

impl Promise for KeepaliveLossless {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(KEPT);
        self.crossing.see(round);
        let reused = round.since_signal().filter(|exchange| {
            KEPT.contains(&exchange.lane) && exchange.reused && exchange.written.is_some()
        });
        for exchange in reused {
            match exchange.ending.is_lost() {
                true => finding.failed(round.may_be_late(exchange), round.evidence_of(exchange)),
                false => finding.kept(),
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            format!(
                "every request on a reused connection was answered{}",
                self.crossing.remark()
            ),
            "requests on reused connections crossed a close on its way",
            match self.is_asked {
                true => {
                    Untried::missed("no request was made on a reused connection after the signal")
                }
                false => Untried::unasked("give --get PATH to test it"),
            },
        )
    }
}
