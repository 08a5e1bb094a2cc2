//! `no-reset`: connections end with FIN, never RST.
//!
//! Tried by each connection that the target ended after the signal, the end of its process included. One that its client
//! closed says nothing.

use super::Promise;
use crate::ledger::{Lane, Parting, Round, RoundKind};
use crate::verdict::{ConnectionUse, Evidence, Finding, Untried, Verdict};

#[derive(Default)]
pub(super) struct NoReset {
    is_asked: bool,
    torn: u64,
}

impl Promise for NoReset {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        if !matches!(round.kind, RoundKind::Load | RoundKind::Idle) {
            return;
        }
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
                    finding.broken(Evidence {
                        lane: Some(connection.lane.to_string()),
                        connection: (connection.lane == Lane::Idle).then_some(ConnectionUse::Idle),
                        ..round.evidence(connection.ended, place, what)
                    });
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
