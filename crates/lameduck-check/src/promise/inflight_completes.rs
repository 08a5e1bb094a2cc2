//! `inflight-completes`: every request received before the deadline gets its whole response.
//!
//! Tried by the requests that had reached the target when the signal came, and by every later one whose response
//! began: that one had been received. Uploads, downloads, event streams, HTTP/2 and gRPC have promises of their own.
//! Tried too by requests on connections that were accepted at the signal and on which nothing had come, half of a head, or
//! the first flight of a TLS handshake, and the rest a little after it. Until its head is whole it is no request yet (RFC
//! 9112, 2.1): a server may close such a connection. Lost is one whose rest had been read before that: the connection then ends
//! with FIN. With RST it ends if the rest was not read, which is for `accept-lossless`. And by answers of which
//! nothing was read before the signal, and all after it.
//! A 503 to one that came with the signal or after it is an answer. What the target may never have looked at is for
//! `accept-lossless` and `keepalive-lossless`: quick requests that end with a reset, which tells of something unread, and where
//! it was saturated all that is lost on a fresh connection.

use super::Promise;
use crate::ledger::{Backlog, Ending, Lane, Round};
use crate::verdict::{Finding, Untried, Verdict};

/// Loads whose requests may be in flight at the signal.
const LOADS: &[Lane] = &[
    Lane::KeepAlive,
    Lane::Pool,
    Lane::PerRequest,
    Lane::Slow,
    Lane::Order,
];

/// Loads that had said at the signal less than a whole head.
pub(super) const UNSAID: &[Lane] = &[Lane::Silent, Lane::HalfHead, Lane::TlsHandshake];

#[derive(Default)]
pub(super) struct InflightCompletes {
    is_asked: bool,
    /// Requests that the target may never have looked at.
    queued: u64,
}

impl Promise for InflightCompletes {
    fn see(&mut self, round: &Round, finding: &mut Finding) {
        self.is_asked |= round.has_load(LOADS);
        let backlog = Backlog::of(round);
        // Its head had begun on a connection that was accepted: it is answered, or its client was told in time that
        // nobody would. What it is answered is not compared, for it was asked after the signal.
        let held = || round.since_signal().filter(|it| round.was_held(it));
        for exchange in held().filter(|it| UNSAID.contains(&it.lane)) {
            match exchange.ending.is_lost() {
                // The end of the connection and the rest of the head crossed each other.
                true if !round.was_whole_before_the_end(exchange) => {}
                // A close with something unread is a reset: the target closed without having looked.
                true if exchange.ending == Ending::ResetBeforeResponse => {}
                true if backlog.may_have_held(exchange) => self.queued += 1,
                true => {
                    let is_doubtful = !round.rtt.is_zero() && round.may_be_late(exchange);
                    finding.failed(is_doubtful, round.evidence_where_it_stood(exchange));
                }
                false if exchange.ending.is_answered() => finding.kept(),
                // Refused, or told in time.
                false => {}
            }
        }
        // These answers had begun.
        for exchange in held().filter(|it| it.lane == Lane::Unread) {
            match exchange.ending {
                Ending::Ok | Ending::OkClose => finding.kept(),
                _ => finding.broken(round.evidence_where_it_stood(exchange)),
            }
        }
        for exchange in round.since_signal() {
            let was_received = exchange.status.is_some() || round.was_received(exchange);
            if exchange.lane.has_its_own() || !was_received {
                continue;
            }
            match exchange.ending {
                Ending::Ok | Ending::OkClose => finding.kept(),
                // It came with the signal or after it, and was told to go elsewhere: that is an answer.
                Ending::Status5xx if round.is_honest_refusal(exchange) => {}
                _ if backlog.may_have_held(exchange) => self.queued += 1,
                _ => {
                    let is_doubtful = exchange.ending.is_lost()
                        && exchange.status.is_none()
                        && round.may_have_crossed(exchange);
                    finding.failed(is_doubtful, round.evidence_of(exchange));
                }
            }
        }
    }

    fn verdict(self: Box<Self>, finding: Finding) -> Verdict {
        let queued = match self.queued {
            0 => String::new(),
            queued => format!(
                "; {queued} more it may never have looked at, see accept-lossless and keepalive-lossless"
            ),
        };
        finding.verdict(
            format!("every request it received got its whole response{queued}"),
            format!("requests it had received got no whole response, or an error{queued}"),
            match (self.is_asked, self.queued) {
                (true, 0) => Untried::missed(
                    "no request was in flight at the signal: give --slow a path that takes a second or so",
                ),
                (true, _) => Untried::missed(
                    "what was in flight at the signal may never have been looked at, see accept-lossless and \
                     keepalive-lossless; fewer clients (--clients, --per-request) leave the target time for it",
                ),
                (false, _) => Untried::unasked("give --slow PATH or --get PATH to test it"),
            },
        )
    }
}
