//! Where a request or a connection stood when the signal came, and how that is known.

use std::time::Instant;

use super::{Exchange, Lane, Round};
use crate::verdict::Evidence;
use crate::wire::Reach;

/// A state that was reached before the signal: the signal waited for it.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// When it was known to be reached.
    pub at: Instant,
    /// How far what its client had sent had come by then.
    pub reach: Reach,
}

impl Round {
    /// Whether it stood at its moment when the signal came, on a connection that the target had accepted.
    pub(crate) fn was_held(&self, exchange: &Exchange) -> bool {
        let Some(held) = exchange.held else {
            return false;
        };
        // What the target has read it has accepted; of another, even a busy target has only after some time.
        let is_accepted = held.reach == Reach::Read || exchange.began < self.accepted_until();
        held.at <= self.signalled() && is_accepted
    }

    /// What became of a request, with where it stood at the signal.
    pub(crate) fn evidence_where_it_stood(&self, exchange: &Exchange) -> Evidence {
        let evidence = self.evidence_of(exchange);
        let stood = exchange.lane.at_the_signal().unwrap_or_default();
        Evidence {
            what: format!("{}; {stood}", evidence.what),
            ..evidence
        }
    }

    /// Whether the target had all of a request before it ended the connection: its end came a whole round trip after that.
    /// Without one a client of HTTP/1.1 has looked after its last byte, and nothing had come.
    pub(crate) fn was_whole_before_the_end(&self, exchange: &Exchange) -> bool {
        /// A courier's grain, and what another task needs that sends for a client.
        const GRAIN: std::time::Duration = std::time::Duration::from_millis(2);
        let written = exchange.written.unwrap_or(exchange.began);
        self.rtt.is_zero() && exchange.lane.is_http1()
            || exchange.ended.saturating_duration_since(written) >= self.rtt + GRAIN
    }
}

impl Lane {
    /// Where such a request stood at the signal, in words; `None` of one that stood nowhere in particular.
    pub(crate) fn at_the_signal(self) -> Option<&'static str> {
        Some(match self {
            Self::Silent => "it was connected and silent at the signal",
            Self::HalfHead => "half of its head had come before the signal",
            Self::HeadSent => "its head had come before the signal",
            Self::Upload => "half of its body had come before the signal",
            Self::BetweenRequests => "its connection was between two requests at the signal",
            Self::Unread => "its answer had begun before the signal",
            Self::TlsHandshake => "its TLS handshake was half way at the signal",
            Self::H2Preface => "its HTTP/2 preface had come before the signal, or half of it",
            Self::H2HalfBody => "half of its body had come on an open stream before the signal",
            _ => return None,
        })
    }
}
