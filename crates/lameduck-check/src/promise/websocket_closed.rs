//! `websocket-closed`: every WebSocket gets 1001 or 1012 and a closing handshake.
//!
//! Tried by each WebSocket that was open when the signal came; in an episode by each that ended from the trigger on. The closing handshake is RFC 6455's, 7.1: the server's
//! Close, the client's, then the server closes the connection, with FIN. 1001 is "going away" (7.4.1), 1012 "service
//! restart" (IANA's registry of close codes).

use super::Promise;
use crate::ledger::{Parting, Round, RoundKind, Socket};
use crate::verdict::{Finding, Untried, Verdict};

const GOOD: [u16; 2] = [1001, 1012];

#[derive(Default)]
pub(super) struct WebSocketClosed {
    is_asked: bool,
}

impl Promise for WebSocketClosed {
    fn is_tried_by(&self, kind: RoundKind) -> bool {
        matches!(kind, RoundKind::Load | RoundKind::Episode)
    }

    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= !round.sockets.is_empty();
        let tried = round.sockets.iter().filter(|it| is_a_trial(round, it));
        for socket in tried {
            match what_went_wrong(round, socket) {
                None => finding.kept(),
                Some(what) => {
                    let at = socket.sent_away().unwrap_or(socket.ended);
                    let what = match socket.held {
                        Some(_) => format!("{what}; half of a message had come before the signal"),
                        None => what,
                    };
                    let place = format!("websocket {}", socket.client);
                    let what = format!("{what}{}", round.by_whom());
                    finding.broken(round.evidence(at, place, what));
                }
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        finding.verdict(
            "every WebSocket got 1001 or 1012 and a closing handshake",
            "WebSockets were not closed as RFC 6455 says",
            match self.is_asked {
                true => Untried::missed(
                    "no WebSocket was open at the signal, or none was ended by a trigger",
                ),
                false => Untried::unasked("give --ws PATH to test it"),
            },
        )
    }
}

/// In an episode one that is still open when the prover stops was to stay so.
fn is_a_trial(round: &Round, socket: &Socket) -> bool {
    match round.episode {
        None => socket.is_open_at(round.signalled()),
        Some(_) => socket.sent_away().is_some_and(|at| at >= round.signalled()),
    }
}

/// The target may have sent a Close half a round trip before its client saw it: those tell nothing of the signal.
pub(super) fn open_at_the_signal(round: &Round) -> impl Iterator<Item = &Socket> {
    let signal = round.signalled();
    round
        .sockets
        .iter()
        .filter(move |socket| socket.is_open_at(signal))
}

fn what_went_wrong(round: &Round, socket: &Socket) -> Option<String> {
    let end = match socket.parting {
        Parting::Client => "was still open when the prover stopped waiting",
        Parting::Fin => "ended with FIN",
        Parting::Torn => "ended with FIN, without close_notify",
        Parting::Reset => "was reset (RST)",
    };
    let messages = format!(
        "{} messages sent, {} received",
        socket.sent, socket.received
    );
    let cut = match &socket.cut {
        Some(missing) => format!(" in the middle of a message ({missing} missing)"),
        None => String::new(),
    };
    if let Some(fault) = &socket.fault {
        return Some(format!("broke the protocol: {fault}; {messages}"));
    }
    let Some(close) = &socket.close else {
        return Some(format!(
            "the connection {end}{cut}, without a Close; {messages}"
        ));
    };
    let code = match close.code {
        Some(code) => code.to_string(),
        None => "without a code".to_owned(),
    };
    let reason = match close.reason.is_empty() {
        true => String::new(),
        false => format!(" ({})", close.reason.escape_default()),
    };
    let said = format!("Close {code}{reason}");
    if !close.code.is_some_and(|code| GOOD.contains(&code)) {
        return Some(format!("{said}, expected 1001 or 1012; {messages}"));
    }
    if socket.cut.is_some() {
        return Some(format!("{said}{cut}; {messages}"));
    }
    let closed = format!(
        "at {:+.1} ms the connection {end}",
        round.at_ms(socket.ended)
    );
    match socket.parting {
        _ if !close.answered => Some(format!(
            "{said}, but {closed} before the client's Close: no closing handshake"
        )),
        Parting::Client | Parting::Reset => {
            Some(format!("{said} and the client's Close, but {closed}"))
        }
        // After a closing handshake nothing is left that a missing close_notify could hide.
        Parting::Fin | Parting::Torn => None,
    }
}
