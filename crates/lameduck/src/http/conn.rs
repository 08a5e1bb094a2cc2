//! What is known of one connection, by everybody who looks at it.
//!
//! # What must hold
//!
//! The fields are written by the connection's own task and read by the sweep, which only
//! *suggests* ([`Order`]); the task looks again before it acts. So they need no order among each
//! other, and cost the task no more than plain memory.

use std::future::poll_fn;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
    fence,
};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::pace::{Pace, counts};
use super::stream::Stream;
use crate::clock::Millis;
use crate::handle::Handle;
use crate::inflight::Guard;

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

/// What is known of a connection.
pub(crate) struct Conn {
    handle: Handle,
    pace: Arc<Pace>,
    last_byte: AtomicU64,
    /// When the first byte of a request came that has not been dispatched yet, plus one; or zero.
    head_since: AtomicU64,
    /// Since when the peer shakes hands, plus one; or zero.
    shaking: AtomicU64,
    /// When the first part of a TLS record came whose last has not, plus one; or zero.
    record_since: AtomicU64,
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
    /// Whether a response was broken off.
    broken_off: AtomicBool,
    /// Whether it has stopped being HTTP, and its new owner has not given it back yet.
    upgraded: AtomicBool,
    order: AtomicU8,
    /// When GOAWAY was sent, plus one; or zero.
    told: AtomicU64,
    /// Whether the peer may still be sending something that nobody will read.
    unread: AtomicBool,
    /// Since when nothing of ours is on its way to the peer any more, after our FIN, plus one; or
    /// zero.
    delivered: AtomicU64,
    /// Whether the last read found the kernel's queue empty.
    nothing_unread: AtomicBool,
    pub(super) bell: Bell,
    leftover: Mutex<Leftover>,
}

#[derive(Default)]
struct Leftover {
    stream: Option<Stream>,
    upgraded: Option<Guard>,
    /// The requests whose last bytes are held back.
    unflushed: Vec<Guard>,
}

impl Conn {
    pub(super) fn new(handle: Handle, pace: Arc<Pace>) -> Conn {
        let now = Millis::now();
        Conn {
            handle,
            pace,
            last_byte: AtomicU64::new(now.0),
            head_since: AtomicU64::new(0),
            shaking: AtomicU64::new(0),
            record_since: AtomicU64::new(0),
            preface: AtomicU8::new(0),
            in_flight: AtomicU32::new(0),
            used: AtomicBool::new(false),
            turnaround: AtomicU32::new(0),
            write_blocked: AtomicBool::new(false),
            held_back: AtomicBool::new(false),
            broken_off: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            order: AtomicU8::new(Order::Serve as u8),
            told: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            nothing_unread: AtomicBool::new(false),
            bell: Bell::default(),
            leftover: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    // What the tap sees.

    /// hyper is about to read. If we are asked to close, find out first whether something waits.
    #[inline]
    pub(super) fn looked(&self, has_unread: impl FnOnce() -> bool) {
        if self.order() == Order::CloseIdle {
            self.nothing_unread.store(!has_unread(), Relaxed);
        }
    }

    #[inline]
    pub(super) fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let now = Millis::now();
        // One writer, so a load and a store do what a dearer read-modify-write would.
        let before = Millis(self.last_byte.load(Relaxed));
        self.last_byte.store(now.0, Relaxed);
        let preface = self.preface.load(Relaxed);
        if (preface as usize) < PREFACE.len() {
            self.preface.store(match_preface(preface, bytes), Relaxed);
        }
        if self.in_flight.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(now.0 + 1, Relaxed);
            let gap = before.millis_until(now);
            if self.used.load(Relaxed) {
                self.pace.turnaround.saw(gap, now);
                if let Some(ms) = counts(gap) {
                    self.turnaround
                        .store(self.turnaround.load(Relaxed).max(ms), Relaxed);
                }
            } else {
                self.pace.first_byte.saw(gap, now);
            }
        }
    }

    #[inline]
    pub(super) fn wrote(&self, blocked: bool) {
        self.write_blocked.store(blocked, Relaxed);
        if !blocked {
            self.last_byte.store(Millis::now().0, Relaxed);
        }
    }

    /// Bytes that hyper has written wait for the peer to take others first.
    pub(super) fn holds_back(&self) {
        self.held_back.store(true, Relaxed);
        self.write_blocked.store(true, Relaxed);
    }

    /// Everything that hyper has written is with the kernel.
    #[inline]
    pub(super) fn flushed(&self) {
        if self.held_back.load(Relaxed) {
            self.held_back.store(false, Relaxed);
            self.wrote(false);
            drop(std::mem::take(&mut self.leftover().unflushed));
        }
    }

    /// hyper, or whoever it gave the connection to, is done with the stream.
    pub(super) fn give_back(&self, stream: Stream) {
        // What it read as somebody else's was no head.
        self.head_since.store(0, Relaxed);
        self.upgraded.store(false, Relaxed);
        let mut leftover = self.leftover();
        leftover.stream = Some(stream);
        let upgraded = leftover.upgraded.take();
        let unflushed = std::mem::take(&mut leftover.unflushed);
        drop(leftover);
        drop(upgraded);
        for guard in unflushed {
            self.cut_short(&guard);
        }
        self.bell.ring();
    }

    /// The stream, once everybody is done with it; `None` if the connection is to be cut first.
    pub(super) async fn given_back(&self) -> Option<Stream> {
        poll_fn(|cx| {
            self.bell.hear(cx);
            match self.leftover().stream.take() {
                Some(stream) => Poll::Ready(Some(stream)),
                None if self.order() == Order::Cut => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn leftover(&self) -> MutexGuard<'_, Leftover> {
        self.leftover.lock().unwrap_or_else(|e| e.into_inner())
    }

    // What TLS sees.

    /// The connection begins with a handshake.
    #[cfg(feature = "rustls")]
    pub(super) fn shakes_hands(&self) {
        self.shaking
            .store(self.last_byte.load(Relaxed) + 1, Relaxed);
    }

    /// The handshake's first byte has come.
    #[cfg(feature = "rustls")]
    pub(super) fn first_of_handshake(&self) {
        let now = Millis::now();
        let connected = Millis(self.last_byte.load(Relaxed));
        self.pace.first_byte.saw(connected.millis_until(now), now);
        self.last_byte.store(now.0, Relaxed);
        self.head_since.store(now.0 + 1, Relaxed);
    }

    /// From here on it is as if the peer had just connected.
    #[cfg(feature = "rustls")]
    pub(super) fn shook_hands(&self) {
        self.last_byte.store(Millis::now().0, Relaxed);
        self.head_since.store(0, Relaxed);
        self.shaking.store(0, Relaxed);
    }

    /// Whether what was read last ends within a record.
    #[cfg(feature = "rustls")]
    #[inline]
    pub(super) fn within_record(&self, within: bool) {
        let since = self.record_since.load(Relaxed);
        if within && since == 0 {
            self.record_since.store(Millis::now().0 + 1, Relaxed);
        } else if !within && since != 0 {
            self.record_since.store(0, Relaxed);
        }
    }

    // What the requests see.

    /// A request's head is whole; `body` says whether a body follows. Returns when its last byte
    /// came, which saves a look at the clock.
    #[inline]
    pub(super) fn request_began(&self, body: bool) -> Millis {
        self.unread.store(body, Relaxed);
        self.head_since.store(0, Relaxed);
        self.used.store(true, Relaxed);
        self.count_in_flight(1);
        Millis(self.last_byte.load(Relaxed))
    }

    /// A request's last byte was written; `guard` is what had it in the ledger.
    #[inline]
    pub(super) fn request_ended(&self, guard: Option<Guard>) {
        match guard {
            Some(guard) if self.order() == Order::Cut => self.cut_short(&guard),
            Some(guard) if self.held_back.load(Relaxed) => {
                // Looked at again under the lock: another thread may just have flushed.
                let mut leftover = self.leftover();
                if self.held_back.load(Relaxed) {
                    leftover.unflushed.push(guard);
                }
            }
            _ => {}
        }
        self.count_in_flight(-1);
    }

    /// A request of HTTP/1.x begins and ends in the connection's own task, where a load and a store do;
    /// a stream of HTTP/2 is a task of its own.
    #[inline]
    fn count_in_flight(&self, by: i32) {
        if self.is_http2() {
            self.in_flight.fetch_add(by.cast_unsigned(), Relaxed);
        } else {
            let n = self.in_flight.load(Relaxed).wrapping_add_signed(by);
            self.in_flight.store(n, Relaxed);
        }
    }

    /// Writes down that a request does not come to its end, if that is our doing.
    fn cut_short(&self, guard: &Guard) {
        if self.order() == Order::Cut {
            self.broken_off.store(true, Relaxed);
            self.handle
                .journal()
                .cut(&guard.entry(), "cut in the middle of its response");
        }
    }

    /// A response over HTTP/1.x ends before its end.
    pub(super) fn breaks_off(&self) {
        if !self.is_http2() {
            self.broken_off.store(true, Relaxed);
        }
    }

    /// Whether a response was broken off, so that the connection must not look as if it had ended
    /// well.
    pub(super) fn is_broken_off(&self) -> bool {
        self.broken_off.load(Relaxed)
    }

    /// The connection stops being HTTP; `guard` keeps it in the ledger until it is over, unless
    /// something else does.
    pub(super) fn upgraded(&self, guard: Option<Guard>) {
        // With HTTP/2 it is only one of the streams.
        self.upgraded.store(!self.is_http2(), Relaxed);
        self.leftover().upgraded = guard;
    }

    /// Whether it belongs to somebody else, who ends it.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Relaxed)
    }

    // What the sweep sees.

    #[inline]
    pub(super) fn is_http2(&self) -> bool {
        self.preface.load(Relaxed) as usize == PREFACE.len()
    }

    pub(super) fn is_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// A request is in a handler, or its response on its way out.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Relaxed) > 0 || self.write_blocked.load(Relaxed)
    }

    /// How long the head of a request has been arriving, or the record that may have its first byte
    /// in it, or a handshake.
    pub(super) fn reading_head_for(&self, now: Millis) -> Option<Duration> {
        since(&self.head_since, now).or_else(|| since(&self.record_since, now))
    }

    /// How long ago a peer connected that has not finished its handshake.
    pub(super) fn shaking_hands_for(&self, now: Millis) -> Option<Duration> {
        since(&self.shaking, now)
    }

    /// How long ago GOAWAY was sent.
    pub(super) fn told_for(&self, now: Millis) -> Option<Duration> {
        since(&self.told, now)
    }

    pub(super) fn quiet_for(&self, now: Millis) -> Duration {
        Millis(self.last_byte.load(Relaxed)).until(now)
    }

    pub(super) fn turnaround(&self) -> Duration {
        Duration::from_millis(self.turnaround.load(Relaxed).into())
    }

    /// How long ago the peer had acknowledged all that we sent, our FIN included, with nothing of
    /// its own left to read.
    pub(super) fn delivered_for(&self, now: Millis) -> Option<Duration> {
        since(&self.delivered, now)
    }

    /// GOAWAY is on its way; whether this is the first time.
    pub(super) fn tell(&self) -> bool {
        let first = self.told.load(Relaxed) == 0;
        if first {
            self.told.store(Millis::now().0 + 1, Relaxed);
        }
        first
    }

    /// What the peer sends from here on nobody will read.
    pub(super) fn leaves_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// The answer to the last look at the kernel's queue no longer counts.
    pub(super) fn forget_look(&self) {
        self.nothing_unread.store(false, Relaxed);
    }

    /// Whether our FIN and all before it has reached the peer, with nothing of its own left to read.
    pub(super) fn is_delivered(&self) -> bool {
        self.delivered.load(Relaxed) != 0
    }

    /// Our FIN and all before it has reached the peer.
    pub(super) fn delivered(&self) {
        if !self.unread.load(Relaxed) && self.delivered.load(Relaxed) == 0 {
            self.delivered.store(Millis::now().0 + 1, Relaxed);
        }
    }

    /// Completes once the connection is to be cut.
    pub(super) async fn cut(&self) {
        poll_fn(|cx| {
            self.bell.hear(cx);
            match self.order() {
                Order::Cut => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
    }

    #[inline]
    pub(super) fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::Serve,
            1 => Order::GoAway,
            2 => Order::CloseIdle,
            _ => Order::Cut,
        }
    }

    /// Gives the task something to do, once.
    pub(super) fn give(&self, order: Order) {
        if self.order() != order {
            self.order.store(order as u8, Relaxed);
            self.bell.ring();
        }
    }

    /// The task will not do what it was asked to. A later order stands.
    pub(super) fn decline(&self, order: Order) {
        let serve = Order::Serve as u8;
        let _ = self
            .order
            .compare_exchange(order as u8, serve, Relaxed, Relaxed);
    }

    /// Whether closing now would lose nothing that has reached this machine.
    pub(super) fn may_close(&self) -> bool {
        !self.is_busy()
            && self.head_since.load(Relaxed) == 0
            && self.record_since.load(Relaxed) == 0
            && self.nothing_unread.load(Relaxed)
    }
}

fn since(stamp: &AtomicU64, now: Millis) -> Option<Duration> {
    match stamp.load(Relaxed) {
        0 => None,
        at => Some(Millis(at - 1).until(now)),
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

/// Wakes the connection's task, however often. A task keeps its waker for life, so it is taken once;
/// an `AtomicWaker` gives its waker away when it wakes, and stays mute until the task has brought
/// another.
#[derive(Default)]
pub(super) struct Bell(OnceLock<Waker>);

impl Bell {
    /// To be called by the task before it looks at what it may be woken for.
    #[inline]
    pub(super) fn hear(&self, cx: &Context<'_>) {
        if self.0.get().is_none() {
            let _ = self.0.set(cx.waker().clone());
            // Either we see what was written before `ring`, or `ring` sees our waker.
            fence(SeqCst);
        }
    }

    /// To be called after what the task shall look at was written.
    pub(super) fn ring(&self) {
        fence(SeqCst);
        if let Some(waker) = self.0.get() {
            waker.wake_by_ref();
        }
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
