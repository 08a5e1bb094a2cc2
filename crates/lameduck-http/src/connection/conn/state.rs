//! Where a connection stands: one state, what moves it, and a plain picture of the whole.
//!
//! ```text
//!              ┌───────────────▶ Fresh ──byte──▶ Head ──asked──▶ Busy ──answered──▶ Idle
//! Silent ──byte──▶ Opening ─────▲                 ▲  ▲             │ ▲                │
//!  (PROXY header, TLS)                whole preface │  └─ behind ────┘ └─── asked ──────┤
//!                                     Http2 ◀───────┘◀──────────── byte ───────────────┘
//!              any ──upgraded──▶ Upgraded      any ──given back──▶ Leaving
//! ```
//!
//! # What must hold
//!
//! 1. A request is under way in `Head` and `Busy`, and in `Http2` while a stream is open. In no other
//!    state is one, as far as the bytes say that have been read.
//! 2. `Leaving` is left by nobody: what is over stays over.
//! 3. Every event is defined in every state ([`ConnectionState::after`]), so that a late one does no harm.

use std::time::Duration;

use lameduck_core::internal::clock::Millis;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectionState {
    /// The header of a proxy or a TLS handshake is expected, and no byte of it has come.
    Silent = 0,
    /// The header of a proxy or a TLS handshake is under way.
    Opening = 1,
    /// HTTP may begin, and no byte of it has come.
    Fresh = 2,
    /// A request has begun to arrive; its head is not whole. So has a request behind one that has been
    /// answered.
    Head = 3,
    /// HTTP/1.x: a request is in its handler, or its response on its way.
    Busy = 4,
    /// HTTP/1.x: between a response and the next request.
    Idle = 5,
    /// HTTP/2. Its streams are counted.
    Http2 = 6,
    /// It has stopped being HTTP, and belongs to somebody else, who ends it.
    Upgraded = 7,
    /// HTTP is done with it. What is left is an orderly end.
    Leaving = 8,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionEvent {
    /// Something is expected before HTTP: the header of a proxy, a TLS handshake.
    #[cfg_attr(
        not(any(feature = "rustls", feature = "proxy-header")),
        allow(dead_code)
    )]
    Opens,
    /// It is done.
    #[cfg_attr(
        not(any(feature = "rustls", feature = "proxy-header")),
        allow(dead_code)
    )]
    Opened,
    /// A byte has come: of a header, of a handshake, or of HTTP.
    Byte,
    /// The bytes so far are those with which HTTP/2 begins.
    Preface,
    /// The head of a request is whole.
    Asked,
    /// The last response on its way is with the kernel. `behind`: whether part of another request came
    /// with the one it answers.
    Answered { behind: bool },
    /// It stops being HTTP.
    Upgraded,
    /// HTTP, or whoever had it, is done with it.
    GivenBack,
}

impl ConnectionState {
    /// The state after an event.
    #[inline]
    pub(crate) const fn after(self, event: ConnectionEvent) -> ConnectionState {
        use ConnectionState::{Busy, Fresh, Head, Http2, Idle, Leaving, Opening, Silent, Upgraded};
        match (self, event) {
            (Leaving, _) | (_, ConnectionEvent::GivenBack) => Leaving,
            (Upgraded, _) => Upgraded,
            (_, ConnectionEvent::Upgraded) => Upgraded,
            (Http2, _) => Http2,
            (Fresh, ConnectionEvent::Opens) => Silent,
            (Silent | Opening, ConnectionEvent::Opened) => Fresh,
            (Silent, ConnectionEvent::Byte) => Opening,
            (Fresh | Idle, ConnectionEvent::Byte) => Head,
            (Fresh | Head, ConnectionEvent::Preface) => Http2,
            (Fresh | Head | Idle, ConnectionEvent::Asked) => Busy,
            (Busy, ConnectionEvent::Answered { behind: true }) => Head,
            (Busy, ConnectionEvent::Answered { behind: false }) => Idle,
            (same, _) => same,
        }
    }

    pub(super) const fn from_u8(n: u8) -> ConnectionState {
        match n {
            0 => ConnectionState::Silent,
            1 => ConnectionState::Opening,
            2 => ConnectionState::Fresh,
            3 => ConnectionState::Head,
            4 => ConnectionState::Busy,
            5 => ConnectionState::Idle,
            6 => ConnectionState::Http2,
            7 => ConnectionState::Upgraded,
            _ => ConnectionState::Leaving,
        }
    }
}

/// A picture of a connection: its state, and when what happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub(crate) state: ConnectionState,
    /// When the state was entered.
    pub(crate) since: Millis,
    /// When the peer connected.
    pub(crate) connected: Millis,
    /// When the last byte went, either way.
    pub(crate) last_byte: Millis,
    /// Requests whose responses are not with the kernel.
    pub(crate) in_flight: u32,
    /// Whether a response waits for the peer to take it.
    pub(crate) write_blocked: bool,
    /// Whether a request has come on it.
    pub(crate) used: bool,
    /// The longest pause seen between a response and the next request.
    pub(crate) turnaround: Duration,
    /// When the first part of a TLS record came whose last has not.
    pub(crate) record: Option<Millis>,
    /// HTTP/2: when GOAWAY was sent.
    pub(crate) told: Option<Millis>,
    /// When the peer was seen to have all that we sent, our FIN included.
    pub(crate) delivered: Option<Millis>,
    /// When somebody asked for the end of this connection.
    pub(crate) close_requested: Option<Millis>,
    /// When the peer's FIN was seen while a request of its was in flight.
    pub(crate) half_closed: Option<Millis>,
}

impl Snapshot {
    /// Whether a request is in a handler, or a response on its way out.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight > 0 || self.write_blocked
    }

    /// Since when the head of a request has been arriving, or a handshake, or the TLS record that may
    /// have a request's first byte in it.
    pub(crate) fn arriving_since(&self) -> Option<Millis> {
        match self.state {
            ConnectionState::Head | ConnectionState::Opening => Some(self.since),
            _ => self.record,
        }
    }

    /// Whether nothing is under way, as far as is known: not a request, not the beginning of one.
    pub(crate) fn is_idle(&self) -> bool {
        let nothing = match self.state {
            ConnectionState::Silent | ConnectionState::Fresh | ConnectionState::Idle => true,
            ConnectionState::Http2 => self.in_flight == 0,
            _ => false,
        };
        nothing && !self.is_busy() && self.record.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [ConnectionState; 9] = [
        ConnectionState::Silent,
        ConnectionState::Opening,
        ConnectionState::Fresh,
        ConnectionState::Head,
        ConnectionState::Busy,
        ConnectionState::Idle,
        ConnectionState::Http2,
        ConnectionState::Upgraded,
        ConnectionState::Leaving,
    ];

    const EVENTS: [ConnectionEvent; 9] = [
        ConnectionEvent::Opens,
        ConnectionEvent::Opened,
        ConnectionEvent::Byte,
        ConnectionEvent::Preface,
        ConnectionEvent::Asked,
        ConnectionEvent::Answered { behind: true },
        ConnectionEvent::Answered { behind: false },
        ConnectionEvent::Upgraded,
        ConnectionEvent::GivenBack,
    ];

    fn after(events: &[ConnectionEvent]) -> ConnectionState {
        events
            .iter()
            .fold(ConnectionState::Fresh, |state, event| state.after(*event))
    }

    #[test]
    fn a_state_is_its_number() {
        for state in STATES {
            assert_eq!(ConnectionState::from_u8(state as u8), state);
        }
    }

    #[test]
    fn a_connection_goes_the_way_of_its_requests() {
        let answered = ConnectionEvent::Answered { behind: false };
        assert_eq!(after(&[ConnectionEvent::Byte]), ConnectionState::Head);
        assert_eq!(
            after(&[ConnectionEvent::Byte, ConnectionEvent::Byte]),
            ConnectionState::Head
        );
        assert_eq!(
            after(&[ConnectionEvent::Byte, ConnectionEvent::Asked]),
            ConnectionState::Busy
        );
        assert_eq!(
            after(&[
                ConnectionEvent::Byte,
                ConnectionEvent::Asked,
                ConnectionEvent::Byte
            ]),
            ConnectionState::Busy
        );
        let one = [ConnectionEvent::Byte, ConnectionEvent::Asked, answered];
        assert_eq!(after(&one), ConnectionState::Idle);
        assert_eq!(after(&[&one[..], &one[..]].concat()), ConnectionState::Idle);
        let pipelined = [
            ConnectionEvent::Byte,
            ConnectionEvent::Asked,
            ConnectionEvent::Answered { behind: true },
        ];
        assert_eq!(after(&pipelined), ConnectionState::Head);
        let tls = [
            ConnectionEvent::Opens,
            ConnectionEvent::Byte,
            ConnectionEvent::Byte,
            ConnectionEvent::Opened,
        ];
        assert_eq!(after(&tls[..1]), ConnectionState::Silent);
        assert_eq!(after(&tls[..2]), ConnectionState::Opening);
        assert_eq!(after(&tls), ConnectionState::Fresh);
        let http2 = [
            ConnectionEvent::Byte,
            ConnectionEvent::Preface,
            ConnectionEvent::Asked,
            answered,
        ];
        assert_eq!(after(&http2), ConnectionState::Http2);
    }

    #[test]
    fn what_is_over_stays_over_and_what_is_not_ours_is_left_alone() {
        for state in STATES {
            assert_eq!(
                state.after(ConnectionEvent::GivenBack),
                ConnectionState::Leaving
            );
            for event in EVENTS {
                assert_eq!(
                    ConnectionState::Leaving.after(event),
                    ConnectionState::Leaving
                );
                if event != ConnectionEvent::GivenBack {
                    assert_eq!(
                        ConnectionState::Upgraded.after(event),
                        ConnectionState::Upgraded
                    );
                }
            }
        }
    }

    #[test]
    fn only_a_request_that_was_asked_makes_a_connection_busy() {
        for state in STATES {
            for event in EVENTS {
                let busy = state.after(event) == ConnectionState::Busy;
                assert!(!busy || state == ConnectionState::Busy || event == ConnectionEvent::Asked);
            }
        }
    }
}
