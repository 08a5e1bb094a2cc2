//! Who is closed when: how long a connection may do nothing, and the policy of the drain.
//!
//! A connection that is closed while its peer is sending a request loses that request, and the
//! peer learns of a FIN only half a round trip later. So a connection is not closed at the signal:
//! its next answer says `Connection: close`, and only one that has been quiet for longer than its
//! peer usually pauses is closed by us. How long peers pause is measured
//! ([`pauses`](super::pauses)).
//!
//! Quiet counts from the signal at the earliest, and from the last byte on any connection. Each answer
//! that says `close` takes from a pool the connection that it likes best, and so drives it to those
//! that had been quiet for long. Not every pool looks for a FIN before it takes one (curl does once a
//! second). So those that do nothing are kept until all are quiet, and close together.
//!
//! # What must hold
//!
//! 1. Nothing here closes a connection with a request in a handler or a response on its way out,
//!    before the time for draining is over.
//! 2. While other work is in flight, waiting costs nothing, so idle connections are held: whoever gets
//!    the last answer may take one of them next. Once nothing is, no connection that does nothing holds
//!    the process for longer than [`MOST_QUIET`].
//! 3. One whose end somebody has asked for is closed as in the drain, but by what it does itself: others may go on.
//! 4. At any time a connection that does nothing ends: without a first byte, within a head, between
//!    two requests, each within its bound.
//!
//! [`judge`] is a pure function of what is known and the time, and so is [`due`].

use std::time::Duration;

use super::conn::{ConnectionState, Order, Snapshot};
use super::pauses::{LEAST_QUIET, LINGER, MOST_QUIET, quiet_enough};
use lameduck_core::internal::clock::Millis;
use lameduck_core::phase::Phase;

/// A connection without a byte is given at least this to send its first: 500 ms.
const FIRST_BYTE: Duration = Duration::from_millis(500);
/// A request's head may take this once nothing else is in flight: 1 s.
const HEAD: Duration = Duration::from_secs(1);
/// So may a TLS handshake, in which the peer has to wait for round trips: 2 s.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// How long a peer that has everything may keep the process, once nothing else is in flight, by
/// not closing its side: 10 ms. It has all of our bytes, and we have all of its. Over HTTP/2 it may
/// still write: [`LINGER`].
pub(crate) const DELIVERED: Duration = Duration::from_millis(10);

/// How long a peer may take, at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the connection to its first byte.
    pub(crate) first_byte: Duration,
    /// For the head of a request, from its first byte.
    pub(crate) head: Duration,
    /// For a TLS handshake, from the connection on.
    pub(crate) handshake: Duration,
    /// Between a response and the next request.
    pub(crate) idle: Duration,
}

/// What the sweep knows beyond the single connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub now: Millis,
    pub phase: Phase,
    /// When the shutdown began.
    pub begun: Option<Millis>,
    /// How long the process has been in the phase before the drain.
    pub lame_duck_for: Duration,
    /// How long that phase takes at least; HTTP/2 peers are told spread over it.
    pub lame_duck_min: Duration,
    /// Whether work other than this server's idle connections is in flight.
    pub others_busy: bool,
    /// When it last was.
    pub busy_until: Option<Millis>,
    /// Whether there is no time for waiting: the drain is over, or a second signal has come.
    pub in_a_hurry: bool,
    /// Pauses between requests, and before the first, on any connection.
    pub turnaround: Duration,
    pub first_byte: Duration,
    pub limits: Limits,
    /// What all connections together have been doing, where [`Circumstances::asks_for_all`].
    pub all: All,
}

/// What is known of all connections of a server together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct All {
    /// When the last byte went on any, also of those that have gone since.
    last_byte: Option<Millis>,
    /// The longest pause that one of them has made.
    turnaround: Duration,
}

impl All {
    /// Of the last byte on those that are gone.
    pub(crate) fn since(last_byte: Option<Millis>) -> All {
        All {
            last_byte,
            ..All::default()
        }
    }

    /// Takes one more into account. One that is no longer HTTP says nothing of when requests come.
    pub(crate) fn add(&mut self, it: &Snapshot) {
        if it.state != ConnectionState::Upgraded {
            self.last_byte = self.last_byte.max(Some(it.last_byte));
            self.turnaround = self.turnaround.max(it.turnaround);
        }
    }
}

impl Circumstances {
    /// Whether anything depends on what all connections together have been doing, so that somebody has
    /// to look at each.
    pub(crate) fn asks_for_all(&self) -> bool {
        self.phase >= Phase::Draining && !self.others_busy && !self.in_a_hurry
    }

    /// How long it has been quiet since `last`, counted from the signal at the earliest.
    fn quiet_since(&self, last: Millis) -> Duration {
        last.max(self.begun.unwrap_or(self.now)).until(self.now)
    }

    /// How long a peer that has asked nothing yet is waited for.
    fn first_quiet(&self) -> Duration {
        quiet_enough(Duration::ZERO, self.first_byte, FIRST_BYTE)
    }

    /// How long a peer has to be quiet before its connection, on which nothing is under way, is closed.
    fn quiet_needed(&self, it: &Snapshot) -> Duration {
        if it.used {
            // Whoever has lost another connection may take this one, and pause for as long as there. So
            // what was seen on those that are gone counts as well.
            let longest = it.turnaround.max(self.all.turnaround).max(self.turnaround);
            quiet_enough(longest, self.first_byte, LEAST_QUIET)
        } else {
            self.first_quiet()
        }
    }

    /// Whether somebody has asked for the end of this connection, and its peer has been quiet since.
    fn may_close_asked(&self, it: &Snapshot) -> bool {
        let since = it.close_requested.map(|asked| asked.max(it.last_byte));
        since.is_some_and(|since| since.until(self.now) >= self.quiet_needed(it))
    }

    /// Whether the time has come when idle connections may close.
    fn may_close_idle(&self, it: &Snapshot) -> bool {
        if self.in_a_hurry {
            return true;
        }
        if self.others_busy {
            return false;
        }
        let own = self.quiet_needed(it);
        let all_quiet = self.quiet_since(self.all.last_byte.unwrap_or(it.last_byte));
        let quiet = self.quiet_since(it.last_byte);
        let held = self.quiet_since(it.last_byte.max(self.busy_until.unwrap_or(it.last_byte)));
        quiet >= own && all_quiet >= own || held >= MOST_QUIET
    }
}

/// What a connection, the `nth` of the server, should do.
pub(crate) fn judge(it: &Snapshot, nth: usize, c: &Circumstances) -> Order {
    let draining = c.phase >= Phase::Draining;
    let alone = draining && !c.others_busy;
    let for_as_long = |since: Millis| since.until(c.now);
    match it.state {
        ConnectionState::Upgraded => return Order::Serve,
        ConnectionState::Silent | ConnectionState::Opening
            if for_as_long(it.connected) > c.limits.handshake =>
        {
            return Order::Cut;
        }
        ConnectionState::Leaving => {
            // A peer over HTTP/2 acknowledges what it has got, and opens windows, when it comes to it. What
            // it sends to a socket that is gone is answered by a reset, and then many a client throws away
            // what it has not read yet. So it is waited for until it has seen our FIN.
            let may_write = it.told.is_some();
            let most = if c.others_busy || may_write {
                LINGER
            } else {
                DELIVERED
            };
            let over = |delivered| draining && for_as_long(delivered) > most;
            return match it.delivered {
                Some(delivered) if over(delivered) => Order::Cut,
                _ => Order::Serve,
            };
        }
        _ => {}
    }
    if let Some(since) = it.arriving_since()
        && it.state != ConnectionState::Http2
        && !it.is_busy()
    {
        let most = match it.state {
            ConnectionState::Opening if alone => HANDSHAKE,
            _ if alone => HEAD.min(c.limits.head),
            _ => c.limits.head,
        };
        return if for_as_long(since) > most {
            Order::Cut
        } else {
            Order::Serve
        };
    }
    if it.state == ConnectionState::Http2 {
        return judge_http2(it, nth, c);
    }
    let has_to_end =
        || is_overdue(it, c) || c.may_close_asked(it) || draining && c.may_close_idle(it);
    if it.is_idle() && has_to_end() {
        Order::CloseIdle
    } else {
        Order::Serve
    }
}

fn judge_http2(it: &Snapshot, nth: usize, c: &Circumstances) -> Order {
    let quiet = it.last_byte.until(c.now);
    match it.told {
        // GOAWAY is out and every stream has ended: a peer that stays nevertheless is bounded.
        Some(told)
            if !(it.is_busy() || c.others_busy && c.phase >= Phase::LameDuck)
                && told.until(c.now).min(quiet) > MOST_QUIET =>
        {
            Order::Cut
        }
        Some(_) => Order::GoAway,
        None if it.close_requested.is_some() => Order::GoAway,
        None if c.phase < Phase::LameDuck => {
            if it.is_idle() && is_overdue(it, c) {
                Order::GoAway
            } else {
                Order::Serve
            }
        }
        // A connection that came to be served is served first, in the drain too if it has just
        // begun. Many a client asks nothing on one that it has been told to leave, even if the
        // final id allows it, and gRPC clients wait for our SETTINGS, which is a round trip, before
        // they ask. Counted from the first byte, not the last, so that a peer that only pings is told.
        None if !it.used
            && (c.phase < Phase::Draining
                || !c.in_a_hurry && it.since.until(c.now) < c.first_quiet()) =>
        {
            Order::Serve
        }
        None if c.phase >= Phase::Draining => Order::GoAway,
        None => {
            // Eight groups, evenly over the first half, so that the last have time to move.
            let turn = c.lame_duck_min / 16 * (nth as u32 % 8);
            if c.lame_duck_for >= turn {
                Order::GoAway
            } else {
                Order::Serve
            }
        }
    }
}

/// Whether it has done nothing for longer than it may at any time.
fn is_overdue(it: &Snapshot, c: &Circumstances) -> bool {
    bound(it, &c.limits).is_some_and(|(since, most)| since.until(c.now) > most)
}

/// How long a connection that does nothing may go on doing so, and since when.
fn bound(it: &Snapshot, limits: &Limits) -> Option<(Millis, Duration)> {
    match it.state {
        ConnectionState::Silent => Some((it.connected, limits.first_byte)),
        // Over TLS the handshake was the first byte.
        ConnectionState::Fresh => Some((it.since, limits.first_byte)),
        ConnectionState::Idle => Some((it.last_byte, limits.idle)),
        ConnectionState::Http2 if it.in_flight == 0 => Some((it.last_byte, limits.idle)),
        _ => None,
    }
}

/// How often to see whether the peer is gone of a request that is being answered: 1 s.
const ALIVE: Duration = Duration::from_secs(1);

/// When to look at a connection again while the process serves, if nothing happens on it: no later
/// than [`judge`] would have something else to say.
pub(crate) fn due(it: &Snapshot, now: Millis, limits: &Limits) -> Duration {
    let left = |since: Millis, most: Duration| {
        let most = most.saturating_add(TICK);
        most.saturating_sub(since.until(now))
    };
    let mut due = limits.shortest();
    if matches!(it.state, ConnectionState::Silent | ConnectionState::Opening) {
        due = due.min(left(it.connected, limits.handshake));
    }
    if let Some(since) = it.arriving_since()
        && it.state != ConnectionState::Http2
    {
        due = due.min(left(since, limits.head));
    }
    if let Some((since, most)) = bound(it, limits) {
        due = due.min(left(since, most));
    }
    if let Some(told) = it.told {
        due = due.min(left(told.max(it.last_byte), MOST_QUIET));
    }
    if it.close_requested.is_some() && it.is_idle() {
        due = due.min(LEAST_QUIET);
    }
    if it.half_closed.is_some() && it.state == ConnectionState::Busy {
        due = due.min(ALIVE);
    }
    due.max(TICK)
}

/// The clock is no finer than this: 10 ms.
const TICK: Duration = Duration::from_millis(10);

impl Limits {
    /// After this long a connection that has only just come, or only just begun to do nothing, may be
    /// overdue.
    pub(crate) fn shortest(&self) -> Duration {
        self.first_byte
            .min(self.head)
            .min(self.handshake)
            .min(self.idle)
            .max(TICK)
    }
}

#[cfg(test)]
mod tests;
