//! The policy on single connections, and on any.

use proptest::prelude::*;

use super::*;
use crate::connection::conn::{Conn, Follows, ResponseEnd};
use lameduck_core::Lifecycle;
use lameduck_core::internal::clock::shifted::advance;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const LIMITS: Limits = Limits {
    first_byte: seconds(30),
    head: seconds(30),
    handshake: seconds(10),
    idle: seconds(75),
};

fn circumstances(phase: Phase, others_busy: bool) -> Circumstances {
    Circumstances {
        now: Millis::now(),
        phase,
        begun: None,
        lame_duck_for: Duration::ZERO,
        lame_duck_min: Duration::ZERO,
        others_busy,
        busy_until: None,
        in_a_hurry: false,
        turnaround: Duration::ZERO,
        first_byte: Duration::ZERO,
        limits: LIMITS,
        all: All::default(),
    }
}

fn conn() -> Conn {
    Conn::new(
        Lifecycle::embedded().handle(),
        Default::default(),
        Default::default(),
        Default::default(),
    )
}

fn asks_and_is_answered(conn: &Conn) {
    conn.read(b"GET / HTTP/1.1\r\n\r\n");
    conn.request_began(Follows::Nothing);
    conn.request_ended(&mut None, ResponseEnd::Written);
}

#[test]
fn a_request_that_is_dropped_before_anybody_looks_at_it_was_never_in_flight() {
    let conn = conn();
    conn.read(b"GET / HTTP/1.1\r\n\r\n");
    conn.request_ended(&mut None, ResponseEnd::NotBegun);
    assert_eq!(conn.snapshot().in_flight, 0);
    asks_and_is_answered(&conn);
    assert_eq!(conn.snapshot().in_flight, 0);
}

/// What a connection should do `after` some time in which nothing happens; the shutdown begins now.
fn judged(conn: &Conn, phase: Phase, others_busy: bool, after: Duration) -> Order {
    let mut c = circumstances(phase, others_busy);
    c.begun = (phase >= Phase::LameDuck).then_some(c.now);
    c.now = Millis(c.now.0 + after.as_millis() as u64);
    judge(&conn.snapshot(), 0, &c)
}

#[cfg(feature = "rustls")]
#[test]
fn a_handshake_is_bounded_at_any_time_and_tightly_when_nothing_else_is_in_flight() {
    let conn = conn();
    conn.opens();
    for phase in [Phase::Ready, Phase::LameDuck, Phase::Draining] {
        assert_eq!(judged(&conn, phase, true, seconds(9)), Order::Serve);
        assert_eq!(judged(&conn, phase, true, seconds(11)), Order::Cut);
    }
    let draining = |conn: &Conn, after| judged(conn, Phase::Draining, false, after);
    // Without a byte it is a connection like any other.
    assert_eq!(draining(&conn, seconds(1)), Order::CloseIdle);
    conn.first_of_opening();
    assert_eq!(draining(&conn, seconds(1)), Order::Serve);
    assert_eq!(draining(&conn, seconds(3)), Order::Cut);
    let busy = judged(&conn, Phase::Draining, true, seconds(3));
    assert_eq!(busy, Order::Serve);
    assert_eq!(judged(&conn, Phase::Ready, false, seconds(3)), Order::Serve);
    conn.opened();
    assert_eq!(
        judged(&conn, Phase::Ready, false, seconds(29)),
        Order::Serve
    );
}

#[test]
fn http_2_that_has_just_begun_is_served_before_it_is_told_and_pings_do_not_hold_it() {
    let conn = conn();
    conn.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let draining = |after| judged(&conn, Phase::Draining, false, after);
    assert_eq!(draining(ms(400)), Order::Serve);
    conn.read(b"a ping");
    assert_eq!(draining(ms(600)), Order::GoAway);
    conn.request_began(Follows::Nothing);
    assert_eq!(draining(Duration::ZERO), Order::GoAway);
}

#[test]
fn a_connection_that_is_no_longer_http_has_no_head_to_wait_for() {
    let conn = conn();
    conn.upgraded(None);
    conn.read(b"a frame");
    for phase in [Phase::Ready, Phase::LameDuck, Phase::Draining] {
        assert_eq!(judged(&conn, phase, false, seconds(600)), Order::Serve);
    }
}

#[cfg(feature = "rustls")]
#[test]
fn half_a_record_is_a_request_on_its_way_and_bounded_as_one() {
    let conn = conn();
    conn.within_record(true);
    let draining = |after| judged(&conn, Phase::Draining, false, after);
    assert_eq!(draining(ms(900)), Order::Serve);
    assert_eq!(draining(seconds(2)), Order::Cut);
    conn.within_record(false);
    assert_eq!(draining(seconds(2)), Order::CloseIdle);
}

#[test]
fn half_a_request_behind_another_is_bounded_as_one_and_never_closed_as_idle() {
    let conn = conn();
    conn.read(b"GET / HTTP/1.1\r\n\r\nGET /ne");
    conn.request_began(Follows::Nothing);
    conn.request_ended(&mut None, ResponseEnd::Written);
    let ready = |after| judged(&conn, Phase::Ready, true, after);
    assert_eq!(ready(seconds(29)), Order::Serve);
    assert_eq!(ready(seconds(31)), Order::Cut);
    let draining = |after| judged(&conn, Phase::Draining, false, after);
    assert_eq!(draining(ms(900)), Order::Serve);
    assert_eq!(draining(seconds(2)), Order::Cut);
}

#[test]
fn a_peer_that_does_nothing_is_sent_away_while_serving_too() {
    let conn = conn();
    let ready = |conn: &Conn, after| judged(conn, Phase::Ready, true, after);
    assert_eq!(ready(&conn, seconds(29)), Order::Serve);
    assert_eq!(ready(&conn, seconds(31)), Order::CloseIdle);
    conn.read(b"GET / HTTP/1.1\r\n\r\n");
    conn.request_began(Follows::Nothing);
    assert_eq!(ready(&conn, seconds(600)), Order::Serve);
    conn.request_ended(&mut None, ResponseEnd::Written);
    assert_eq!(ready(&conn, seconds(74)), Order::Serve);
    assert_eq!(ready(&conn, seconds(76)), Order::CloseIdle);
}

#[test]
fn http_2_that_does_nothing_is_told_to_go_while_serving_and_cut_if_it_does_not() {
    let conn = conn();
    conn.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    conn.request_began(Follows::Nothing);
    let ready = |after| judged(&conn, Phase::Ready, true, after);
    assert_eq!(ready(seconds(600)), Order::Serve);
    conn.request_ended(&mut None, ResponseEnd::Written);
    assert_eq!(ready(seconds(74)), Order::Serve);
    assert_eq!(ready(seconds(76)), Order::GoAway);
    assert!(conn.tell());
    assert_eq!(ready(seconds(76)), Order::Cut);
}

#[test]
fn quiet_counts_from_the_signal_and_from_the_last_byte_on_any_connection() {
    let conn = conn();
    asks_and_is_answered(&conn);
    let it = conn.snapshot();
    let mut c = circumstances(Phase::Draining, false);
    // It has been quiet for a minute, and the signal came only now.
    let signal = Millis(c.now.0 + 60_000);
    c.begun = Some(signal);
    c.now = Millis(signal.0 + 140);
    assert_eq!(judge(&it, 0, &c), Order::Serve);
    c.now = Millis(signal.0 + 160);
    assert_eq!(judge(&it, 0, &c), Order::CloseIdle);
    // Another has just been used, so this one may be next.
    let mut other = it;
    other.last_byte = Millis(signal.0 + 100);
    c.all.add(&it);
    c.all.add(&other);
    assert_eq!(judge(&it, 0, &c), Order::Serve);
    c.now = Millis(signal.0 + 260);
    assert_eq!(judge(&it, 0, &c), Order::CloseIdle);
    // But not for longer than peers are waited for at all.
    other.last_byte = Millis(signal.0 + 1990);
    c.all.add(&other);
    c.now = Millis(signal.0 + 1995);
    assert_eq!(judge(&it, 0, &c), Order::Serve);
    c.now = Millis(signal.0 + 2005);
    assert_eq!(judge(&it, 0, &c), Order::CloseIdle);
}

#[test]
fn a_spare_connection_is_held_for_whoever_gets_the_last_answer_however_long_that_took() {
    let conn = conn();
    asks_and_is_answered(&conn);
    let it = conn.snapshot();
    let mut c = circumstances(Phase::Draining, false);
    let signal = c.now;
    c.begun = Some(signal);
    // The last answer went out, on another connection, three seconds after the signal.
    let answered = Millis(signal.0 + 3_000);
    c.busy_until = Some(answered);
    c.all.add(&Snapshot {
        last_byte: answered,
        ..it
    });
    c.now = Millis(answered.0 + 140);
    assert_eq!(judge(&it, 0, &c), Order::Serve);
    c.now = Millis(answered.0 + 160);
    assert_eq!(judge(&it, 0, &c), Order::CloseIdle);
    // Where other connections are never quiet it goes 2 s after that.
    for (after, order) in [(1_990, Order::Serve), (2_010, Order::CloseIdle)] {
        c.now = Millis(answered.0 + after);
        c.all.add(&Snapshot {
            last_byte: c.now,
            ..it
        });
        assert_eq!(judge(&it, 0, &c), order);
    }
}

#[test]
fn the_pauses_of_connections_that_are_gone_count_too() {
    let conn = conn();
    asks_and_is_answered(&conn);
    // A pool's favourite is taken up again at once.
    advance(ms(20));
    asks_and_is_answered(&conn);
    let it = conn.snapshot();
    let mut c = circumstances(Phase::Draining, false);
    c.begun = Some(c.now);
    c.turnaround = ms(190);
    let signal = c.now;
    c.now = Millis(signal.0 + 420);
    assert_eq!(judge(&it, 0, &c), Order::Serve);
    c.now = Millis(signal.0 + 440);
    assert_eq!(judge(&it, 0, &c), Order::CloseIdle);
}

/// What a peer, a handler or the world may do.
#[derive(Clone, Debug)]
enum Act {
    /// The peer sends the next piece of what it has begun, or begins a request: so much of it.
    Sends(usize),
    /// The peer sends this much of a second request behind the first.
    Pipelines(usize),
    /// A handler answers.
    Answers,
    /// What is written cannot go out, or can.
    Blocked(bool),
    /// Time passes.
    Passes(u64),
    /// The process goes to its next phase.
    Moves,
    OthersBusy(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_usize..40).prop_map(Act::Sends),
        1 => (1_usize..REQUEST.len()).prop_map(Act::Pipelines),
        3 => Just(Act::Answers),
        1 => any::<bool>().prop_map(Act::Blocked),
        4 => (0_u64..3_000).prop_map(Act::Passes),
        1 => (0_u64..90_000).prop_map(Act::Passes),
        1 => Just(Act::Moves),
        1 => any::<bool>().prop_map(Act::OthersBusy),
    ]
}

const REQUEST: &[u8] = b"GET /orders/17 HTTP/1.1\r\nhost: shop\r\n\r\n";

/// The peer of a connection and its task, as far as the policy is concerned; and what really goes on.
struct World {
    conn: Conn,
    /// How much of a request has been sent that has not been asked.
    sent: usize,
    in_handler: bool,
    blocked: bool,
    last_act: Millis,
    phase: Phase,
    begun: Option<Millis>,
    others_busy: bool,
    busy_until: Option<Millis>,
}

impl World {
    fn new() -> World {
        World {
            conn: conn(),
            sent: 0,
            in_handler: false,
            blocked: false,
            last_act: Millis::now(),
            phase: Phase::Ready,
            begun: None,
            others_busy: false,
            busy_until: None,
        }
    }

    fn in_flight(&self) -> bool {
        self.in_handler || self.blocked
    }

    /// What hyper does when bytes have come or an answer has gone.
    fn asks(&mut self) {
        if !self.in_handler && self.sent >= REQUEST.len() {
            self.sent -= REQUEST.len();
            self.in_handler = true;
            self.conn.request_began(Follows::Nothing);
        }
    }

    fn does(&mut self, act: Act) {
        self.happens(act);
        if self.others_busy || self.in_flight() {
            self.busy_until = Some(Millis::now());
        }
    }

    fn happens(&mut self, act: Act) {
        match act {
            Act::Sends(most) if !self.in_handler => {
                let piece = &REQUEST[self.sent.min(REQUEST.len())..];
                let piece = &piece[..most.min(piece.len())];
                self.sends(piece);
            }
            Act::Pipelines(part) if !self.in_handler && self.sent == 0 => {
                self.sends(&[REQUEST, &REQUEST[..part]].concat());
            }
            Act::Answers if self.in_handler => {
                self.conn.wrote(self.blocked);
                self.in_handler = false;
                self.last_act = Millis::now();
                self.conn.request_ended(&mut None, ResponseEnd::Written);
                self.asks();
            }
            Act::Blocked(blocked) if blocked != self.blocked && (self.in_handler || !blocked) => {
                self.conn.wrote(blocked);
                self.blocked = blocked;
                self.last_act = Millis::now();
            }
            Act::Passes(n) => advance(ms(n)),
            Act::Moves => {
                self.phase = match self.phase {
                    Phase::Ready => Phase::LameDuck,
                    _ => Phase::Draining,
                };
                self.begun = self.begun.or(Some(Millis::now()));
            }
            Act::OthersBusy(busy) => self.others_busy = busy,
            Act::Sends(_) | Act::Pipelines(_) | Act::Answers | Act::Blocked(_) => {}
        }
    }

    fn sends(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            self.conn.read(piece);
            self.sent += piece.len();
            self.last_act = Millis::now();
            self.asks();
        }
    }

    fn judged(&self) -> Order {
        let mut c = circumstances(self.phase, self.others_busy || self.in_flight());
        c.begun = self.begun;
        c.busy_until = self.busy_until;
        c.all.add(&self.conn.snapshot());
        judge(&self.conn.snapshot(), 0, &c)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any order of events: nothing in flight is ever closed, nor what has begun to arrive within its
    /// time; nothing that does nothing is kept beyond its bound.
    #[test]
    fn what_is_in_flight_is_never_closed_and_what_does_nothing_always_is(
        acts in prop::collection::vec(act(), 1..60)
    ) {
        let mut world = World::new();
        for act in acts {
            world.does(act);
            let order = world.judged();
            let idle_for = world.last_act.until(Millis::now());
            prop_assert_ne!(order, Order::GoAway);
            if world.in_flight() {
                prop_assert_eq!(order, Order::Serve);
            } else if world.sent > 0 {
                prop_assert_ne!(order, Order::CloseIdle);
                if order == Order::Cut && (world.phase < Phase::Draining || world.others_busy) {
                    let since = world.conn.snapshot().since.until(Millis::now());
                    prop_assert!(since > LIMITS.head);
                }
            } else {
                prop_assert_ne!(order, Order::Cut);
                let longest = LIMITS.idle.max(LIMITS.first_byte);
                let alone = world.phase >= Phase::Draining && !world.others_busy;
                let busy_until = world.busy_until.unwrap_or(world.last_act);
                let quiet = world.begun.map_or(idle_for, |begun| {
                    world.last_act.max(begun).max(busy_until).until(Millis::now())
                });
                if idle_for > longest || alone && quiet > MOST_QUIET {
                    prop_assert_eq!(order, Order::CloseIdle);
                }
                if !alone && idle_for < LIMITS.first_byte {
                    prop_assert_eq!(order, Order::Serve);
                }
            }
        }
        // Whatever came before: once the handler has answered and the peer does nothing more, the
        // connection ends.
        world.does(Act::Blocked(false));
        world.does(Act::Answers);
        world.does(Act::Answers);
        world.does(Act::OthersBusy(false));
        world.does(Act::Moves);
        world.does(Act::Moves);
        world.does(Act::Passes(3_000));
        let order = world.judged();
        prop_assert!(matches!(order, Order::CloseIdle | Order::Cut), "{:?}", order);
    }

    /// Where nobody asks for what all connections have been doing, it changes nothing.
    #[test]
    fn all_connections_are_looked_at_wherever_that_decides(
        acts in prop::collection::vec(act(), 1..30), in_a_hurry: bool, quiet in 0_u64..3_000
    ) {
        let mut world = World::new();
        for act in acts {
            world.does(act);
            let mut c = circumstances(world.phase, world.others_busy || world.in_flight());
            c.begun = world.begun;
            c.in_a_hurry = in_a_hurry;
            let it = world.conn.snapshot();
            let mut others = c;
            others.all.add(&Snapshot {
                last_byte: Millis(c.now.0.saturating_sub(quiet)),
                turnaround: ms(quiet / 3),
                ..it
            });
            if !c.asks_for_all() {
                prop_assert_eq!(judge(&it, 0, &c), judge(&it, 0, &others));
            }
        }
    }

    /// Whoever sleeps until a connection is due misses no bound by more than the clock's grain.
    #[test]
    fn nobody_is_overdue_before_it_is_due(acts in prop::collection::vec(act(), 1..30)) {
        let mut world = World::new();
        for act in acts {
            if !matches!(act, Act::Moves) {
                world.does(act);
            }
            if world.judged() != Order::Serve {
                // The sweep has said so, and the task does it.
                break;
            }
            let now = Millis::now();
            let it = world.conn.snapshot();
            let until = now.0 + due(&it, now, &LIMITS).saturating_sub(2 * TICK).as_millis() as u64;
            let mut c = circumstances(Phase::Ready, true);
            c.now = Millis(until.max(now.0));
            prop_assert_eq!(judge(&it, 0, &c), Order::Serve);
        }
    }
}

#[test]
fn a_connection_whose_end_is_asked_for_is_closed_when_it_is_quiet_whatever_others_do() {
    let conn = conn();
    asks_and_is_answered(&conn);
    let serving = |after| judged(&conn, Phase::Ready, true, after);
    assert_eq!(serving(ms(400)), Order::Serve);
    conn.request_close();
    assert_eq!(serving(ms(100)), Order::Serve);
    assert_eq!(serving(ms(400)), Order::CloseIdle);
    // Somebody looks again in time.
    let now = Millis::now();
    assert!(due(&conn.snapshot(), now, &LIMITS) <= LEAST_QUIET);
    // Quiet counts from the last byte, and not from the request for its end.
    advance(seconds(1));
    asks_and_is_answered(&conn);
    assert_eq!(serving(ms(100)), Order::Serve);
    // What is under way is answered first, however long it takes.
    conn.read(b"GET / HTTP/1.1\r\n\r\n");
    conn.request_began(Follows::Nothing);
    assert_eq!(serving(seconds(600)), Order::Serve);
}

#[test]
fn http_2_whose_end_is_asked_for_is_told_at_once_and_cut_only_when_nothing_is_under_way() {
    let conn = conn();
    conn.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    conn.request_began(Follows::Nothing);
    let serving = |after| judged(&conn, Phase::Ready, false, after);
    assert_eq!(serving(ms(10)), Order::Serve);
    conn.request_close();
    assert_eq!(serving(ms(10)), Order::GoAway);
    conn.tell();
    assert_eq!(serving(seconds(600)), Order::GoAway);
    conn.request_ended(&mut None, ResponseEnd::Written);
    assert_eq!(serving(seconds(1)), Order::GoAway);
    assert_eq!(serving(seconds(3)), Order::Cut);
}
