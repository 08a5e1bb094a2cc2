//! Who is closed when: the policy of the drain.
//!
//! A connection that is closed while its peer is sending a request loses that request, and the
//! peer learns of a FIN only half a round trip later. So a connection is not closed at the signal:
//! its next answer says `Connection: close`, and only one that has been quiet for longer than its
//! peer usually pauses is closed by us. How long peers pause is measured ([`Recent`] and
//! [`Conn::turnaround`]), because it contains the round trip, which nobody configures right.
//!
//! # What must hold
//!
//! 1. Nothing here closes a connection with a request in a handler or a response on its way out,
//!    before the time for draining is over.
//! 2. While other work is in flight, waiting costs nothing, so idle connections are held. Once
//!    nothing is, no connection that does nothing holds the process for longer than
//!    [`MOST_QUIET`].
//!
//! [`judge`] is a pure function of what is known and the time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::connection::{Conn, Order};
use crate::clock::Millis;
use crate::phase::Phase;

/// The least quiet before an idle connection is closed: 150 ms.
pub(crate) const LEAST_QUIET: Duration = Duration::from_millis(150);
/// The most: 2 s. Peers that pause for longer are not waited for.
pub(crate) const MOST_QUIET: Duration = Duration::from_secs(2);
/// A connection without a byte is given at least this to send its first: 500 ms.
const FIRST_BYTE: Duration = Duration::from_millis(500);
/// A request's head may take this once nothing else is in flight: 1 s.
const HEAD: Duration = Duration::from_secs(1);

/// How long a peer that has everything may keep the process, once nothing else is in flight, by
/// not closing its side: 10 ms. It has all of our bytes, and we have all of its.
pub(super) const DELIVERED: Duration = Duration::from_millis(10);

/// A pause as milliseconds, if it is one that says something about the peer: at most half of
/// [`MOST_QUIET`]. Longer ones are a pool's spare connections.
pub(super) fn counts(pause: Duration) -> Option<u32> {
    (pause <= MOST_QUIET / 2).then_some(pause.as_millis() as u32)
}

/// The longest pause seen lately on any connection of the server. Half a minute old ones are
/// forgotten, so that one slow client does not slow the next shutdown.
#[derive(Default)]
pub(crate) struct Recent {
    /// The time in ms in the upper 44 bits, the pause in ms in the lower 20.
    packed: AtomicU64,
}

impl Recent {
    const MEMORY_MS: u64 = 30_000;

    #[inline]
    pub(super) fn saw(&self, pause: Duration, now: Millis) {
        let Some(ms) = counts(pause) else { return };
        let packed = self.packed.load(Relaxed);
        let (at, longest) = (packed >> 20, packed & 0xf_ffff);
        // Racing writers may lose one sample of many.
        if u64::from(ms) > longest || now.0 > at + Self::MEMORY_MS {
            self.packed.store((now.0 << 20) | u64::from(ms), Relaxed);
        }
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.packed.load(Relaxed) & 0xf_ffff)
    }
}

/// What the sweep knows beyond the single connection.
pub(crate) struct Circumstances {
    pub now: Millis,
    pub phase: Phase,
    /// How long the process has been in the phase before the drain.
    pub lame_duck_for: Duration,
    /// How long that phase takes at least; HTTP/2 peers are told spread over it.
    pub lame_duck_min: Duration,
    /// Whether work other than this server's idle connections is in flight.
    pub others_busy: bool,
    /// Whether there is no time for waiting: the drain is over, or a second signal has come.
    pub in_a_hurry: bool,
    /// Pauses between requests, and before the first, on any connection.
    pub turnaround: Duration,
    pub first_byte: Duration,
    /// How long a head may take at any time.
    pub head_timeout: Duration,
}

/// How quiet a connection must have been.
fn quiet_enough(own: Duration, servers: Duration, least: Duration) -> Duration {
    let pause = if own.is_zero() { servers } else { own };
    (2 * pause + Duration::from_millis(50)).clamp(least, MOST_QUIET)
}

/// What `conn`, the `nth` of the server, should do.
pub(crate) fn judge(conn: &Conn, nth: usize, c: &Circumstances) -> Order {
    if let Some(head) = conn.reading_head_for(c.now)
        && !conn.is_http2()
        && !conn.is_busy()
        && head
            > if c.phase >= Phase::Draining && !c.others_busy {
                HEAD
            } else {
                c.head_timeout
            }
    {
        return Order::Cut;
    }
    if c.phase < Phase::LameDuck {
        return Order::Serve;
    }
    if let Some(delivered) = conn.delivered_for(c.now) {
        let over = c.phase >= Phase::Draining && !c.others_busy && delivered > DELIVERED;
        return if over { Order::Cut } else { Order::Serve };
    }
    if conn.is_http2() {
        return judge_http2(conn, nth, c);
    }
    if c.phase < Phase::Draining || conn.is_busy() || conn.reading_head_for(c.now).is_some() {
        return Order::Serve;
    }
    let enough = if conn.is_used() {
        quiet_enough(
            conn.turnaround(),
            c.turnaround.max(c.first_byte),
            LEAST_QUIET,
        )
    } else {
        quiet_enough(Duration::ZERO, c.first_byte, FIRST_BYTE)
    };
    if c.in_a_hurry || (!c.others_busy && conn.quiet_for(c.now) >= enough) {
        Order::CloseIdle
    } else {
        Order::Serve
    }
}

fn judge_http2(conn: &Conn, nth: usize, c: &Circumstances) -> Order {
    match conn.told_for(c.now) {
        // GOAWAY is out and every stream has ended: a peer that stays nevertheless is bounded.
        Some(told)
            if !conn.is_busy()
                && !c.others_busy
                && told.min(conn.quiet_for(c.now)) > MOST_QUIET =>
        {
            Order::Cut
        }
        Some(_) => Order::GoAway,
        None if c.phase >= Phase::Draining => Order::GoAway,
        // A connection that came to be served is served first.
        None if !conn.is_used() => Order::Serve,
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

impl super::server::Server {
    pub(super) fn circumstances(
        &self,
        lame_duck_for: Duration,
        lame_duck_min: Duration,
    ) -> Circumstances {
        Circumstances {
            now: Millis::now(),
            phase: self.handle.phase(),
            lame_duck_for,
            lame_duck_min,
            others_busy: !self.handle.ledger().is_empty(),
            in_a_hurry: self.handle.is_letting_go() || self.handle.is_hurried(),
            turnaround: self.turnaround.longest(),
            first_byte: self.first_byte.longest(),
            head_timeout: self.head_timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_quiet_follows_the_round_trip() {
        assert_eq!(quiet_enough(ms(0), ms(0), LEAST_QUIET), LEAST_QUIET);
        assert_eq!(quiet_enough(ms(290), ms(0), LEAST_QUIET), ms(630));
        assert_eq!(quiet_enough(ms(0), ms(200), FIRST_BYTE), FIRST_BYTE);
        assert_eq!(quiet_enough(ms(1000), ms(0), LEAST_QUIET), MOST_QUIET);
    }

    #[test]
    fn a_spare_connection_says_nothing_about_pauses() {
        let recent = Recent::default();
        recent.saw(ms(20_000), Millis(1));
        assert_eq!(recent.longest(), ms(0));
    }

    #[test]
    fn the_longest_pause_is_remembered_for_half_a_minute() {
        let recent = Recent::default();
        recent.saw(ms(300), Millis(1_000));
        recent.saw(ms(20), Millis(20_000));
        assert_eq!(recent.longest(), ms(300));
        recent.saw(ms(20), Millis(31_001));
        assert_eq!(recent.longest(), ms(20));
    }
}
