//! What is known of one connection, by everybody who looks at it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`state`] | where a connection stands, what moves it, and a picture of it |
//! | [`framing`] | where the requests of HTTP/1.x end in what the peer sends |
//! | [`ends`] | how requests end, and what is left when hyper is done |
//! | [`task_waker`] | how its task is woken |
//!
//! # What must hold
//!
//! 1. The connection's own task moves the [`ConnectionState`], by what [`ConnectionState::after`] says and nothing else.
//!    Streams of HTTP/2, which are tasks of their own, only count ([`Conn::request_ended`]).
//! 2. The sweep reads a [`Snapshot`] and only *suggests* ([`Order`]); the task looks again before it
//!    acts ([`Conn::may_close`]). So the fields need no order among each other, and cost the task no
//!    more than plain memory.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use self::ends::Leftover;
use self::task_waker::TaskWaker;
use tokio::sync::Notify;

pub(crate) use self::ends::ResponseEnd;
pub(crate) use self::framing::Follows;
use self::framing::RequestFraming;
pub(crate) use self::state::{ConnectionEvent, ConnectionState, Snapshot};
use crate::connection::facts::ConnectionFacts;
#[cfg(feature = "rustls")]
use crate::connection::facts::TlsFacts;
use crate::connection::pauses::{PeerPauses, counts};
use crate::connection::request_settings::RequestSettings;
use lameduck_core::Handle;
use lameduck_core::internal::clock::Millis;

mod ends;
mod framing;
mod state;
mod task_waker;

/// How an HTTP/2 connection begins (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NOT_HTTP2: u8 = u8::MAX;

/// What the sweep asks of a connection's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Serve = 0,
    /// HTTP/2: send GOAWAY, finish the streams.
    GoAway = 1,
    /// Close if it is idle.
    CloseIdle = 2,
    /// The time is over: close whatever is under way.
    Cut = 3,
}

/// A moment that may not have come.
#[derive(Default)]
struct MomentCell(AtomicU64);

impl MomentCell {
    fn get(&self) -> Option<Millis> {
        self.0.load(Relaxed).checked_sub(1).map(Millis)
    }

    #[inline]
    fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    fn set(&self, at: Millis) {
        self.0.store(at.0 + 1, Relaxed);
    }

    /// Says whether this was the first time.
    fn set_once(&self, at: Millis) -> bool {
        let first = !self.is_set();
        if first {
            self.set(at);
        }
        first
    }

    #[cfg_attr(not(feature = "rustls"), allow(dead_code))]
    fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}

/// What is known of a connection.
pub(crate) struct Conn {
    handle: Handle,
    /// Set before HTTP begins.
    facts: OnceLock<ConnectionFacts>,
    #[cfg(feature = "rustls")]
    tls_facts: OnceLock<Box<TlsFacts>>,
    pauses: Arc<PeerPauses>,
    of_requests: RequestSettings,
    connected: Millis,
    state: AtomicU8,
    /// When the state was entered.
    since: AtomicU64,
    last_byte: AtomicU64,
    /// [`RequestFraming`] as one word.
    framing: AtomicU64,
    /// How much of the HTTP/2 preface has been seen, or [`NOT_HTTP2`].
    preface: AtomicU8,
    in_flight: AtomicU32,
    used: AtomicBool,
    /// The longest time between a response and the next request, in ms.
    turnaround: AtomicU32,
    write_blocked: AtomicBool,
    /// Whether bytes that hyper has written are not with the kernel yet (TLS has a buffer of its
    /// own).
    held_back: AtomicBool,
    /// When the first part of a TLS record came whose last has not.
    record: MomentCell,
    /// When GOAWAY was sent.
    told: MomentCell,
    /// Since when nothing of ours is on its way to the peer any more, after our FIN.
    delivered: MomentCell,
    /// When the peer's FIN was seen behind a request that is being answered.
    half_closed: MomentCell,
    /// HTTP/2: whether hyper may hold bytes of a response of which it has taken the last.
    in_codec: AtomicBool,
    /// Whether there are requests whose last bytes are not known to be with the kernel.
    unwritten: AtomicBool,
    /// Whether the end of the response is the end of the connection (HTTP/1.0).
    until_close: AtomicBool,
    /// Whether the peer's FIN came in the middle of a request.
    left_early: AtomicBool,
    /// Whether an answer said that it is the last of the connection, because of the shutdown.
    said_close: AtomicBool,
    /// Whether the peer has sent something behind the request that it answered.
    sent_more: AtomicBool,
    /// Whether a response was broken off.
    broken_off: AtomicBool,
    /// Whether the peer may still be sending something that nobody will read.
    unread: AtomicBool,
    /// Whether the last read found the kernel's queue empty.
    nothing_unread: AtomicBool,
    order: AtomicU8,
    pub(crate) waker: TaskWaker,
    /// Has the sweep look at all connections.
    look: Arc<Notify>,
    leftover: Mutex<Leftover>,
}

impl Conn {
    pub(crate) fn new(
        handle: Handle,
        pauses: Arc<PeerPauses>,
        look: Arc<Notify>,
        of_requests: RequestSettings,
    ) -> Conn {
        let now = Millis::now();
        Conn {
            handle,
            facts: OnceLock::new(),
            #[cfg(feature = "rustls")]
            tls_facts: OnceLock::new(),
            pauses,
            of_requests,
            connected: now,
            state: AtomicU8::new(ConnectionState::Fresh as u8),
            since: AtomicU64::new(now.0),
            last_byte: AtomicU64::new(now.0),
            framing: AtomicU64::new(RequestFraming::START.pack()),
            preface: AtomicU8::new(0),
            in_flight: AtomicU32::new(0),
            used: AtomicBool::new(false),
            turnaround: AtomicU32::new(0),
            write_blocked: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            record: MomentCell::default(),
            told: MomentCell::default(),
            delivered: MomentCell::default(),
            half_closed: MomentCell::default(),
            in_codec: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            until_close: AtomicBool::new(false),
            left_early: AtomicBool::new(false),
            said_close: AtomicBool::new(false),
            sent_more: AtomicBool::new(false),
            broken_off: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            nothing_unread: AtomicBool::new(false),
            order: AtomicU8::new(Order::Serve as u8),
            waker: TaskWaker::default(),
            look,
            leftover: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Who is at its ends. Said once.
    pub(crate) fn is_between(&self, facts: ConnectionFacts) {
        let _ = self.facts.set(facts);
    }

    /// Who is at its ends; `None` until that is known, which is before HTTP begins.
    pub(crate) fn facts(&self) -> Option<&ConnectionFacts> {
        self.facts.get()
    }

    /// What the TLS handshake has brought. Said once.
    #[cfg(feature = "rustls")]
    pub(crate) fn has_shaken(&self, facts: TlsFacts) {
        let _ = self.tls_facts.set(Box::new(facts));
    }

    /// What the TLS handshake has brought; `None` without TLS.
    #[cfg(feature = "rustls")]
    pub(crate) fn tls_facts(&self) -> Option<&TlsFacts> {
        self.tls_facts.get().map(|it| &**it)
    }

    /// How the requests on it are treated. Here, because each would have to carry it.
    #[inline]
    pub(crate) fn of_requests(&self) -> &RequestSettings {
        &self.of_requests
    }

    #[inline]
    pub(crate) fn state(&self) -> ConnectionState {
        ConnectionState::from_u8(self.state.load(Relaxed))
    }

    /// Takes an event into account. Only the connection's own task does.
    #[inline]
    fn happened(&self, event: ConnectionEvent, at: Millis) {
        self.happened_in(self.state(), event, at);
    }

    /// The same for who has just looked at the state.
    #[inline]
    fn happened_in(&self, before: ConnectionState, event: ConnectionEvent, at: Millis) {
        let after = before.after(event);
        if after != before {
            self.state.store(after as u8, Relaxed);
            self.since.store(at.0, Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state(),
            since: Millis(self.since.load(Relaxed)),
            connected: self.connected,
            last_byte: self.last_byte(),
            in_flight: self.in_flight.load(Relaxed),
            write_blocked: self.write_blocked.load(Relaxed),
            used: self.used.load(Relaxed),
            turnaround: Duration::from_millis(self.turnaround.load(Relaxed).into()),
            record: self.record.get(),
            told: self.told.get(),
            delivered: self.delivered.get(),
            half_closed: self.half_closed.get(),
        }
    }

    #[inline]
    fn last_byte(&self) -> Millis {
        Millis(self.last_byte.load(Relaxed))
    }

    // What is seen of its bytes.

    /// hyper is about to read. If we are asked to close, find out first whether something waits.
    #[inline]
    pub(crate) fn looked(&self, has_unread: impl FnOnce() -> bool) {
        if self.order() == Order::CloseIdle {
            self.nothing_unread.store(!has_unread(), Relaxed);
        }
    }

    #[inline]
    pub(crate) fn read(&self, bytes: &[u8]) {
        let now = Millis::now();
        // One writer, so a load and a store do what a dearer read-modify-write would.
        let before = self.last_byte();
        self.last_byte.store(now.0, Relaxed);
        let framing = match self.state() {
            ConnectionState::Http2 => return,
            state @ (ConnectionState::Fresh | ConnectionState::Idle) => {
                self.happened_in(state, ConnectionEvent::Byte, now);
                self.begins_request(before, now);
                RequestFraming::START
            }
            _ => RequestFraming::unpack(self.framing.load(Relaxed)),
        };
        self.framing.store(framing.read(bytes).pack(), Relaxed);
        let preface = self.preface.load(Relaxed);
        if (preface as usize) < PREFACE.len() {
            self.preface.store(match_preface(preface, bytes), Relaxed);
            if self.is_http2() {
                self.happened(ConnectionEvent::Preface, now);
            }
        }
    }

    /// The first byte of a request has come, and the last before it at `before`.
    #[inline]
    fn begins_request(&self, before: Millis, now: Millis) {
        let gap = before.millis_until(now);
        if self.used.load(Relaxed) {
            self.pauses.turnaround.saw(gap, now);
            if let Some(ms) = counts(gap) {
                let longest = self.turnaround.load(Relaxed).max(ms);
                self.turnaround.store(longest, Relaxed);
            }
        } else {
            self.pauses.first_byte.saw(gap, now);
        }
    }

    /// hyper has read the peer's FIN. Says whether that was news while the peer is being answered.
    #[cold]
    pub(crate) fn read_end(&self) -> bool {
        if !self.is_answering() {
            return false;
        }
        self.notes_early_end();
        self.peer_finished()
    }

    #[cold]
    fn notes_early_end(&self) {
        let framing = RequestFraming::unpack(self.framing.load(Relaxed));
        self.left_early.store(framing.misses_something(), Relaxed);
    }

    /// Whether the peer's FIN came in the middle of a request, which it has given up with that.
    pub(crate) fn has_left_early(&self) -> bool {
        self.left_early.load(Relaxed)
    }

    /// The peer has sent its FIN. Behind a whole request that says nothing: it still reads. Says whether
    /// this was news.
    pub(crate) fn peer_finished(&self) -> bool {
        let first = self.half_closed.set_once(Millis::now());
        if first {
            self.look.notify_one();
        }
        first
    }

    /// Whether a request is being answered, so that nobody reads from the socket meanwhile.
    #[inline]
    pub(crate) fn is_answering(&self) -> bool {
        self.state() == ConnectionState::Busy
    }

    #[inline]
    pub(crate) fn wrote(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
        if !blocked {
            self.last_byte.store(Millis::now().0, Relaxed);
        }
    }

    // What comes before HTTP: the header of a proxy, a TLS handshake.

    /// One of the two is expected.
    #[cfg(any(feature = "rustls", feature = "proxy-header"))]
    pub(crate) fn opens(&self) {
        self.happened(ConnectionEvent::Opens, self.connected);
    }

    /// Its first byte has come.
    #[cfg(any(feature = "rustls", feature = "proxy-header"))]
    pub(crate) fn first_of_opening(&self) {
        let now = Millis::now();
        self.pauses
            .first_byte
            .saw(self.last_byte().millis_until(now), now);
        self.last_byte.store(now.0, Relaxed);
        self.happened(ConnectionEvent::Byte, now);
    }

    /// From here on it is as if the peer had just connected.
    #[cfg(any(feature = "rustls", feature = "proxy-header"))]
    pub(crate) fn opened(&self) {
        let now = Millis::now();
        self.last_byte.store(now.0, Relaxed);
        self.happened(ConnectionEvent::Opened, now);
    }

    /// Whether what was read last ends within a record.
    #[cfg(feature = "rustls")]
    #[inline]
    pub(crate) fn within_record(&self, within: bool) {
        if within {
            if !self.record.is_set() {
                self.record.set(Millis::now());
            }
        } else if self.record.is_set() {
            self.record.clear();
        }
    }

    // What the requests see.

    /// A request's head is whole. What follows it is said by [`request_is`](Conn::request_is).
    #[inline]
    pub(crate) fn request_began(&self) {
        self.used.store(true, Relaxed);
        let state = self.state();
        // As a rule that is known already.
        if state != ConnectionState::Http2
            && self.framing.load(Relaxed) != const { RequestFraming::ALONE.pack() }
        {
            self.change_framing(RequestFraming::head_is_whole);
        }
        self.count_in_flight(1);
        self.happened_in(state, ConnectionEvent::Asked, self.last_byte());
    }

    /// What follows the head of the request that began last, some of which may have come since. Returns when its last
    /// byte came, which saves a look at the clock.
    #[inline]
    pub(crate) fn request_is(&self, follows: Follows) -> Millis {
        self.unread.store(follows != Follows::Nothing, Relaxed);
        if self.state() != ConnectionState::Http2 {
            let framing = self.framing.load(Relaxed);
            if follows == Follows::Nothing && framing == const { RequestFraming::ALONE.pack() } {
                let asked = const { RequestFraming::Body { missing: 0 }.pack() };
                self.framing.store(asked, Relaxed);
            } else {
                self.change_framing(|framing| framing.asked(follows));
            }
            if self.half_closed.is_set() {
                self.notes_early_end();
            }
        }
        self.last_byte()
    }

    #[inline(always)]
    fn change_framing(&self, change: impl FnOnce(RequestFraming) -> RequestFraming) {
        let before = RequestFraming::unpack(self.framing.load(Relaxed));
        self.framing.store(change(before).pack(), Relaxed);
    }

    /// A request of HTTP/1.x begins and ends in the connection's own task, where a load and a store do;
    /// a stream of HTTP/2 is a task of its own. Returns how many there are now.
    #[inline]
    fn count_in_flight(&self, by: i32) -> u32 {
        if self.is_http2() {
            let before = self.in_flight.fetch_add(by.cast_unsigned(), Relaxed);
            before.wrapping_add_signed(by)
        } else {
            let n = self.in_flight.load(Relaxed).wrapping_add_signed(by);
            self.in_flight.store(n, Relaxed);
            n
        }
    }

    /// A response over HTTP/1.x ends before its end.
    pub(crate) fn breaks_off(&self) {
        if !self.is_http2() {
            self.broken_off.store(true, Relaxed);
        }
    }

    /// The response that begins says that it is the last of the connection.
    pub(crate) fn says_close(&self) {
        self.said_close.store(true, Relaxed);
    }

    /// The peer has sent something behind the last request. It will not be answered (RFC 9112, 9.6).
    pub(crate) fn sends_more(&self) {
        // Unless it is the rest of a body that nobody reads.
        if !self.unread.load(Relaxed) {
            self.sent_more.store(true, Relaxed);
        }
    }

    /// Whether the response that begins has no other end than that of the connection.
    pub(crate) fn until_close(&self, it: bool) {
        self.until_close.store(it, Relaxed);
    }

    /// Whether a FIN would make what was broken off look whole.
    pub(crate) fn looks_whole(&self) -> bool {
        self.is_broken_off() && self.until_close.load(Relaxed)
    }

    /// Whether a response was broken off, so that the connection must not look as if it had ended
    /// well.
    pub(crate) fn is_broken_off(&self) -> bool {
        self.broken_off.load(Relaxed)
    }

    #[inline]
    pub(crate) fn is_http2(&self) -> bool {
        self.preface.load(Relaxed) as usize == PREFACE.len()
    }

    // What the end of it needs.

    /// GOAWAY is on its way; whether this is the first time.
    pub(crate) fn tell(&self) -> bool {
        self.told.set_once(Millis::now())
    }

    /// What the peer sends from here on nobody will read.
    pub(crate) fn leaves_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// The answer to the last look at the kernel's queue no longer counts.
    pub(crate) fn forget_look(&self) {
        self.nothing_unread.store(false, Relaxed);
    }

    /// Whether our FIN and all before it has reached the peer, with nothing of its own left to read.
    pub(crate) fn is_delivered(&self) -> bool {
        self.delivered.is_set()
    }

    /// Our FIN and all before it has reached the peer.
    pub(crate) fn delivered(&self) {
        if !self.unread.load(Relaxed) {
            self.delivered.set_once(Millis::now());
        }
    }

    /// Completes once the connection is to be cut.
    pub(crate) async fn cut(&self) {
        poll_fn(|cx| {
            self.waker.register(cx);
            match self.order() {
                Order::Cut => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    #[inline]
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Serve,
            1 => Order::GoAway,
            2 => Order::CloseIdle,
            _ => Order::Cut,
        }
    }

    /// Gives the task something to do, once.
    pub(crate) fn give(&self, order: Order) {
        if self.order() != order {
            self.order.store(order as u8, Relaxed);
            self.waker.wake();
        }
    }

    /// The task will not do what it was asked to. A later order stands.
    pub(crate) fn decline(&self, order: Order) {
        let serve = Order::Serve as u8;
        let _ = self
            .order
            .compare_exchange(order as u8, serve, Relaxed, Relaxed);
    }

    /// Whether closing now would lose nothing that has reached this machine.
    pub(crate) fn may_close(&self) -> bool {
        self.snapshot().is_idle() && self.nothing_unread.load(Relaxed)
    }
}

fn match_preface(matched: u8, bytes: &[u8]) -> u8 {
    let rest = &PREFACE[matched as usize..];
    let n = rest.len().min(bytes.len());
    if rest[..n] == bytes[..n] {
        matched + n as u8
    } else {
        NOT_HTTP2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_known_however_it_is_cut() {
        for cut in 0..=PREFACE.len() {
            let matched = match_preface(0, &PREFACE[..cut]);
            assert_eq!(matched as usize, cut);
            assert_eq!(
                match_preface(matched, &PREFACE[cut..]) as usize,
                PREFACE.len()
            );
        }
        assert_eq!(match_preface(0, b"POST / HTTP/1.1"), NOT_HTTP2);
        assert_eq!(match_preface(1, b"UT / HTTP/1.1"), NOT_HTTP2);
        let mut longer = PREFACE.to_vec();
        longer.extend(b"\0\0\0\x04");
        assert_eq!(match_preface(0, &longer) as usize, PREFACE.len());
    }
}
