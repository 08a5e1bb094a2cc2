//! `no-reset`: connections end with FIN, never RST.
//!
//! Tried by each connection that the target ended after the signal, the end of its process included. One that its client
//! closed says nothing.

use crate::ledger::{Lane, Ledger, Parting, RoundKind};
use crate::verdict::{ConnectionUse, Evidence, Finding, Untried, Verdict};

pub(super) fn judge(ledger: &Ledger) -> Verdict {
    let mut finding = Finding::new();
    let mut torn = 0;
    for round in ledger.of(RoundKind::Load).chain(ledger.of(RoundKind::Idle)) {
        finding.of(round);
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
                    torn += 1;
                    finding.kept();
                }
            }
        }
    }
    let kept = match torn {
        0 => "no connection was reset".to_owned(),
        _ => format!("no connection was reset, but {torn} ended without TLS's close_notify"),
    };
    finding.verdict(
        kept,
        "connections were reset (RST) instead of closed (FIN)",
        match ledger
            .load_rounds()
            .any(|round| !round.connections.is_empty())
        {
            true => Untried::missed("every connection was ended by its client"),
            false => Untried::unasked("give --get PATH to test it"),
        },
    )
}
