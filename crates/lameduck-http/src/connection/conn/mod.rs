//! What is known of one connection, by everybody who looks at it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`state`] | where a connection stands, what moves it, and a picture of it |
//! | [`bytes`], [`preface`] | what is seen of its bytes |
//! | [`framing`] | where the requests of HTTP/1.x end in what the peer sends |
//! | [`close_request`] | whether somebody has asked for its end |
//! | [`ends`] | how requests end, and what is left when hyper is done |
//! | [`opening`] | what comes before HTTP |
//! | [`requests`] | what the requests on it see and say |
//! | [`order`] | what the sweep asks of its task, and what its end needs |
//! | [`moment_cell`] | a moment that one task writes and others read |
//! | [`task_waker`] | how its task is woken |
//!
//! # What must hold
//!
//! 1. The connection's own task moves the [`ConnectionState`], by what [`ConnectionState::after`] says and nothing else.
//!    Streams of HTTP/2, which are tasks of their own, only count ([`Conn::request_ended`]).
//! 2. The sweep reads a [`Snapshot`] and only *suggests* ([`Order`]); the task looks again before it
//!    acts ([`Conn::may_close`]). So the fields need no order among each other, and cost the task no
//!    more than plain memory.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use self::close_request::CloseRequest;
use self::ends::Leftover;
use self::task_waker::TaskWaker;
use tokio::sync::Notify;

pub(crate) use self::ends::ResponseEnd;
pub(crate) use self::framing::Follows;
use self::framing::RequestFraming;
use self::moment_cell::MomentCell;
pub(crate) use self::order::Order;
pub(crate) use self::state::{ConnectionEvent, ConnectionState, Snapshot};
use crate::connection::facts::ConnectionFacts;
#[cfg(feature = "rustls")]
use crate::connection::facts::TlsFacts;
use crate::connection::pauses::PeerPauses;
use crate::connection::request_settings::RequestSettings;
use lameduck_core::Handle;
use lameduck_core::internal::clock::Millis;

mod bytes;
mod close_request;
mod ends;
mod framing;
mod moment_cell;
#[cfg(any(feature = "rustls", feature = "proxy-header"))]
mod opening;
mod order;
mod preface;
mod requests;
mod state;
mod task_waker;

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
    /// How much of the HTTP/2 preface has been seen, or [`NOT_HTTP2`](preface::NOT_HTTP2).
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
    /// Whether an answer said that it is the last of the connection, because that has to end.
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
    close_request: CloseRequest,
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
            close_request: CloseRequest::default(),
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
            close_requested: self.close_request.since(),
            half_closed: self.half_closed.get(),
        }
    }

    #[inline]
    fn last_byte(&self) -> Millis {
        Millis(self.last_byte.load(Relaxed))
    }
}
