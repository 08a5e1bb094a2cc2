//! Who is closed when: the policy of the drain.
//!
//! A connection that is closed while its peer is sending a request loses that request, and the
//! peer learns of a FIN only half a round trip later. So a connection is not closed at the signal:
//! its next answer says `Connection: close`, and only one that has been quiet for longer than its
//! peer usually pauses is closed by us. How long peers pause is measured
//! ([`pace`](super::pace)).
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

use std::time::Duration;

use super::conn::{Conn, Order};
use super::pace::{LEAST_QUIET, LINGER, MOST_QUIET, quiet_enough};
use crate::clock::Millis;
use crate::phase::Phase;

/// A connection without a byte is given at least this to send its first: 500 ms.
const FIRST_BYTE: Duration = Duration::from_millis(500);
/// A request's head may take this once nothing else is in flight: 1 s.
const HEAD: Duration = Duration::from_secs(1);
/// So may a TLS handshake, in which the peer has to wait for round trips: 2 s.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// How long a peer that has everything may keep the process, once nothing else is in flight, by
/// not closing its side: 10 ms. It has all of our bytes, and we have all of its.
pub(super) const DELIVERED: Duration = Duration::from_millis(10);

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
    /// How long a TLS handshake may take at any time, from the connection on.
    pub handshake_timeout: Duration,
}

/// What `conn`, the `nth` of the server, should do.
pub(crate) fn judge(conn: &Conn, nth: usize, c: &Circumstances) -> Order {
    if conn.is_upgraded() {
        return Order::Serve;
    }
    let shaking = conn.shaking_hands_for(c.now);
    if shaking.is_some_and(|it| it > c.handshake_timeout) {
        return Order::Cut;
    }
    if let Some(head) = conn.reading_head_for(c.now)
        && !conn.is_http2()
        && !conn.is_busy()
        && head
            > match (c.phase >= Phase::Draining && !c.others_busy, shaking) {
                (true, None) => HEAD,
                (true, Some(_)) => HANDSHAKE,
                (false, _) => c.head_timeout,
            }
    {
        return Order::Cut;
    }
    if c.phase < Phase::LameDuck {
        return Order::Serve;
    }
    if let Some(delivered) = conn.delivered_for(c.now) {
        let most = if c.others_busy { LINGER } else { DELIVERED };
        let over = c.phase >= Phase::Draining && delivered > most;
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
        first_quiet(c)
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
        // A connection that came to be served is served first, in the drain too if it has just
        // begun. Many a client asks nothing on one that it has been told to leave, even if the
        // final id allows it, and gRPC clients wait for our SETTINGS, which is a round trip, before
        // they ask.
        None if !conn.is_used()
            && (c.phase < Phase::Draining || !c.in_a_hurry && just_began(conn, c)) =>
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

/// Whether a connection's first bytes came so lately that its first request may be on its way.
/// Counted from the first byte, not the last, so that a peer that only pings is told.
fn just_began(conn: &Conn, c: &Circumstances) -> bool {
    conn.reading_head_for(c.now)
        .is_some_and(|it| it < first_quiet(c))
}

/// How long a peer that has asked nothing yet is waited for.
fn first_quiet(c: &Circumstances) -> Duration {
    quiet_enough(Duration::ZERO, c.first_byte, FIRST_BYTE)
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use super::*;
    use crate::Lifecycle;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn judged(conn: &Conn, phase: Phase, others_busy: bool, after: Duration) -> Order {
        let now = Millis(Millis::now().0 + after.as_millis() as u64);
        let circumstances = Circumstances {
            now,
            phase,
            lame_duck_for: Duration::ZERO,
            lame_duck_min: Duration::ZERO,
            others_busy,
            in_a_hurry: false,
            turnaround: Duration::ZERO,
            first_byte: Duration::ZERO,
            head_timeout: seconds(30),
            handshake_timeout: seconds(10),
        };
        judge(conn, 0, &circumstances)
    }

    #[test]
    fn a_handshake_is_bounded_at_any_time_and_tightly_when_nothing_else_is_in_flight() {
        let conn = Conn::new(Lifecycle::embedded().handle(), Default::default());
        conn.shakes_hands();
        for phase in [Phase::Ready, Phase::LameDuck, Phase::Draining] {
            assert_eq!(judged(&conn, phase, true, seconds(9)), Order::Serve);
            assert_eq!(judged(&conn, phase, true, seconds(11)), Order::Cut);
        }
        // Without a byte it is a connection like any other.
        assert_eq!(
            judged(&conn, Phase::Draining, false, seconds(1)),
            Order::CloseIdle
        );
        conn.first_of_handshake();
        assert_eq!(
            judged(&conn, Phase::Draining, false, seconds(1)),
            Order::Serve
        );
        assert_eq!(
            judged(&conn, Phase::Draining, false, seconds(3)),
            Order::Cut
        );
        assert_eq!(
            judged(&conn, Phase::Draining, true, seconds(3)),
            Order::Serve
        );
        assert_eq!(judged(&conn, Phase::Ready, false, seconds(3)), Order::Serve);
        conn.shook_hands();
        assert_eq!(
            judged(&conn, Phase::Ready, false, seconds(60)),
            Order::Serve
        );
    }

    #[test]
    fn http_2_that_has_just_begun_is_served_before_it_is_told_and_pings_do_not_hold_it() {
        let conn = Conn::new(Lifecycle::embedded().handle(), Default::default());
        conn.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let draining = |after| judged(&conn, Phase::Draining, false, after);
        assert_eq!(draining(Duration::from_millis(400)), Order::Serve);
        conn.read(b"a ping");
        assert_eq!(draining(Duration::from_millis(600)), Order::GoAway);
        conn.request_began(false);
        assert_eq!(draining(Duration::ZERO), Order::GoAway);
    }

    #[test]
    fn a_connection_that_is_no_longer_http_has_no_head_to_wait_for() {
        let conn = Conn::new(Lifecycle::embedded().handle(), Default::default());
        conn.upgraded(None);
        conn.read(b"a frame");
        for phase in [Phase::Ready, Phase::LameDuck, Phase::Draining] {
            assert_eq!(judged(&conn, phase, false, seconds(60)), Order::Serve);
        }
    }

    #[test]
    fn half_a_record_is_a_request_on_its_way_and_bounded_as_one() {
        let conn = Conn::new(Lifecycle::embedded().handle(), Default::default());
        conn.within_record(true);
        assert_eq!(
            judged(&conn, Phase::Draining, false, Duration::from_millis(900)),
            Order::Serve
        );
        assert_eq!(
            judged(&conn, Phase::Draining, false, seconds(2)),
            Order::Cut
        );
        conn.within_record(false);
        assert_eq!(
            judged(&conn, Phase::Draining, false, seconds(2)),
            Order::CloseIdle
        );
    }
}
