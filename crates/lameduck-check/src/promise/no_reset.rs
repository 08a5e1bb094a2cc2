//! `no-reset`: connections end with FIN, never RST.
//!
//! Tried by each connection that the target ended after the signal, the end of its process included. One that its client
//! closed says nothing. A reset is what TCP owes whoever speaks into a connection that was closed: where the prover may have
//! done so because it stood still, it is undecided.

use std::time::Duration;

use super::Promise;
use crate::ledger::{Connection, Lane, Parting, Round, RoundKind};
use crate::verdict::{ConnectionUse, Evidence, Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct NoReset {
    is_asked: bool,
    torn: u64,
}

impl Promise for NoReset {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        matches!(kind, RoundKind::Load | RoundKind::Idle)
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.kind == RoundKind::Load && !round.connections.is_empty();
        let signal = round.signalled();
        for connection in round
            .connections
            .iter()
            .filter(|connection| connection.ended >= signal)
        {
            match connection.parting {
                _ if connection.lane == Lane::Loris => {}
                Parting::Reset => {
                    let place = format!("{} {}", connection.lane, connection.client);
                    let what = format!(
                        "connection reset (RST), opened at {:+.1} ms",
                        round.at_ms(connection.opened)
                    );
                    let evidence = Evidence {
                        lane: Some(connection.lane.to_string()),
                        connection: (connection.lane == Lane::Idle).then_some(ConnectionUse::Idle),
                        ..round.evidence(connection.ended, place, what)
                    };
                    finding.failed(may_be_due(round, connection), evidence);
                }
                // How the server would have ended it, nobody knows.
                Parting::Client => {}
                Parting::Fin => finding.kept(),
                // RFC 8446, 6.1 wants a close_notify; without it nothing is lost that the requests do not show.
                Parting::Torn => {
                    self.torn += 1;
                    finding.kept();
                }
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let kept = match self.torn {
            0 => "no connection was reset".to_owned(),
            torn => format!("no connection was reset, but {torn} ended without TLS's close_notify"),
        };
        finding.verdict(
            kept,
            "connections were reset (RST) instead of closed (FIN)",
            match self.is_asked {
                true => Untried::missed("every connection was ended by its client"),
                false => Untried::unasked("give --get PATH to test it"),
            },
        )
    }
}

/// A client and the account of its connection see its end within this of each other.
const SAME: Duration = Duration::from_millis(20);

/// Whether the reset may be what TCP owes a client that spoke too late, because the prover stood still: a request, or the
/// last step of the handshake, into a connection that the target had closed in good order.
fn may_be_due(round: &Round, connection: &Connection) -> bool {
    let mut exchanges = round.exchanges.iter();
    exchanges.any(|exchange| {
        let (first, last) = match exchange.ended <= connection.ended {
            true => (exchange.ended, connection.ended),
            false => (connection.ended, exchange.ended),
        };
        exchange.lane == connection.lane
            && exchange.client == connection.client
            && last - first < SAME
            && round.may_be_late(exchange)
    })
}
