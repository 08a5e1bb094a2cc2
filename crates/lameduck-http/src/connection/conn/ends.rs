//! How requests end, and what is left when hyper is done with the connection.
//!
//! # What must hold
//!
//! 1. A request is over when its last byte is with the kernel, not when hyper has taken it: hyper keeps
//!    what a peer does not read. Until then its guard is kept here, and the shutdown waits for it.
//! 2. Over HTTP/1.x whoever is kept here leaves with the next flush that finds nothing left to write. Over
//!    HTTP/2 there is a flush after many a frame; there it is the end of a turn of the connection's task
//!    that has written all it could, and began after the guard came. One that comes from the task of a
//!    stream wakes the connection's.
//! 3. When the connection is gone, whoever is left here is written down: as cut if that was our doing,
//!    else as a request whose client went away.
//! 4. A peer that has sent its FIN may be gone altogether, which nobody knows before it has acknowledged
//!    or reset what was sent to it. So what it was answered is over only then.

use std::future::poll_fn;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use super::{Conn, ConnectionEvent, ConnectionState, Order, RequestFraming};
use crate::connection::stream::ConnectionStream;
use lameduck_core::inflight::Guard;
use lameduck_core::inflight::kind::{BROKEN, CLIENT_GONE};
use lameduck_core::internal::clock::Millis;

/// How far the response to a request had come when it was let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseEnd {
    /// Nobody has looked at the request, which is not counted yet.
    NotBegun,
    /// hyper did not have all of it, as far as that can be seen from outside.
    Early,
    /// hyper had all of it.
    Taken,
    /// The last byte has been read from its last data, by the connection's task.
    Written,
    /// The same, but for trailers or an empty frame that may end it.
    Read,
    /// It broke by a fault of the application's.
    Broken,
    /// Its client gave the request up.
    GivenUp,
}

/// What outlives hyper's part in a connection.
#[derive(Default)]
pub(super) struct Leftover {
    stream: Option<ConnectionStream>,
    /// Whether the stream has come back: nothing is written any more.
    over: bool,
    upgraded: Option<Guard>,
    /// Requests of which hyper had the last byte, from other tasks and since the connection's was last
    /// polled.
    fresh: Vec<Guard>,
    /// The same, over when nothing is left to write.
    ripe: Vec<Guard>,
    /// With the kernel, for a peer that may be gone.
    unconfirmed: Vec<Guard>,
}

impl Conn {
    fn leftover(&self) -> MutexGuard<'_, Leftover> {
        self.leftover.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A request is let go of; `guard` is what had it in the ledger.
    #[inline]
    pub(crate) fn request_ended(&self, guard: &mut Option<Guard>, end: ResponseEnd) {
        let state = self.state();
        let plain = end == ResponseEnd::Written && state == ConnectionState::Busy;
        if plain && !self.held_back.load(Relaxed) && !self.half_closed.is_set() {
            *guard = None;
        } else if end == ResponseEnd::NotBegun {
            return;
        } else if let Some(guard) = guard.take() {
            self.ended_in(state, guard, end);
        }
        let left = self.count_in_flight(-1);
        // A stream of HTTP/2 ends in a task of its own, and moves nothing.
        if left == 0 && state == ConnectionState::Busy {
            let framing = RequestFraming::unpack(self.framing.load(Relaxed));
            let behind = framing.leaves_something();
            self.happened_in(
                state,
                ConnectionEvent::Answered { behind },
                self.last_byte(),
            );
        }
    }

    /// The same where it is not plain that the last byte is with the kernel.
    fn ended_in(&self, state: ConnectionState, guard: Guard, end: ResponseEnd) {
        let http2 = state == ConnectionState::Http2;
        match end {
            ResponseEnd::Broken => guard.end_as(BROKEN),
            ResponseEnd::GivenUp => self.lost(guard),
            // hyper drops a response over HTTP/1.x when its length is written, whatever it thinks of
            // itself; over HTTP/2 only if the peer does not want it.
            ResponseEnd::Early if http2 => self.lost(guard),
            ResponseEnd::Written if http2 && !self.in_codec.load(Relaxed) => drop(guard),
            _ => {
                let from_stream = http2 && matches!(end, ResponseEnd::Early | ResponseEnd::Taken);
                let mut leftover = self.leftover();
                if leftover.over {
                    drop(leftover);
                    return self.lost(guard);
                }
                self.unwritten.store(true, Relaxed);
                if from_stream {
                    leftover.fresh.push(guard);
                    drop(leftover);
                    self.waker.wake();
                } else {
                    leftover.ripe.push(guard);
                }
            }
        }
    }

    /// hyper is given a turn: what comes of it is for whoever has come so far.
    #[inline]
    pub(crate) fn turn_begins(&self) {
        if self.unwritten.load(Relaxed) {
            self.ripen();
        }
    }

    /// The same where somebody may have come.
    #[inline(never)]
    fn ripen(&self) {
        let leftover = &mut *self.leftover();
        leftover.ripe.append(&mut leftover.fresh);
    }

    /// hyper has done what it can in this turn.
    #[inline]
    pub(crate) fn turn_ends(&self) {
        // If there was more to write, then the last write was not taken.
        if self.unwritten.load(Relaxed) && self.is_http2() && !self.write_blocked.load(Relaxed) {
            self.let_ripe_go();
        }
    }

    /// Bytes that hyper has written wait for the peer to take others first.
    pub(crate) fn holds_back(&self) {
        self.held_back.store(true, Relaxed);
        self.write_blocked.store(true, Relaxed);
    }

    /// hyper takes bytes from the last data of a response over HTTP/2.
    #[inline]
    pub(crate) fn takes_last(&self) {
        self.in_codec.store(true, Relaxed);
    }

    /// Everything that hyper has written is with the kernel.
    #[inline]
    pub(crate) fn flushed(&self) {
        self.in_codec.store(false, Relaxed);
        if self.held_back.load(Relaxed) | self.unwritten.load(Relaxed) {
            self.flushed_at_last();
        }
    }

    /// The same where something has waited for it.
    #[inline(never)]
    fn flushed_at_last(&self) {
        if self.held_back.load(Relaxed) {
            self.held_back.store(false, Relaxed);
            self.wrote(false);
        }
        if self.unwritten.load(Relaxed) && !self.is_http2() {
            self.let_ripe_go();
        }
    }

    #[inline(never)]
    fn let_ripe_go(&self) {
        let mut leftover = self.leftover();
        let mut ripe = std::mem::take(&mut leftover.ripe);
        self.unwritten.store(!leftover.fresh.is_empty(), Relaxed);
        if self.half_closed.is_set() {
            leftover.unconfirmed.append(&mut ripe);
        }
        drop(leftover);
        drop(ripe);
    }

    /// hyper, or whoever it gave the connection to, is done with the stream.
    pub(crate) fn give_back(&self, stream: ConnectionStream) {
        self.leaves();
        let mut leftover = self.leftover();
        leftover.stream = Some(stream);
        leftover.over = true;
        let upgraded = leftover.upgraded.take();
        let mut unwritten = std::mem::take(&mut leftover.ripe);
        unwritten.append(&mut leftover.fresh);
        drop(leftover);
        drop(upgraded);
        for guard in unwritten {
            self.lost(guard);
        }
        self.waker.wake();
    }

    /// What is left is an orderly end.
    pub(crate) fn leaves(&self) {
        self.close_request.is_over();
        self.happened(ConnectionEvent::GivenBack, Millis::now());
    }

    /// The stream, once everybody is done with it; `None` if the connection is to be cut first.
    pub(crate) async fn given_back(&self) -> Option<ConnectionStream> {
        poll_fn(|cx| {
            self.waker.register(cx);
            match self.leftover().stream.take() {
                Some(stream) => Poll::Ready(Some(stream)),
                None if self.order() == Order::Cut => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Whether it is still to be seen that the peer, which has sent its FIN, is there.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        !self.leftover().unconfirmed.is_empty()
    }

    /// The peer has acknowledged all that it was sent.
    pub(crate) fn confirmed(&self) {
        let confirmed = std::mem::take(&mut self.leftover().unconfirmed);
        drop(confirmed);
    }

    /// The connection is gone.
    pub(crate) fn is_gone(&self) {
        let unconfirmed = std::mem::take(&mut self.leftover().unconfirmed);
        for guard in unconfirmed {
            self.lost(guard);
        }
        let framing = RequestFraming::unpack(self.framing.load(Relaxed));
        let more = self.sent_more.load(Relaxed) || framing.leaves_something();
        if more && self.said_close.load(Relaxed) {
            self.handle.journal().behind_close();
        }
    }

    /// Not all of a response has reached the kernel, or the peer.
    fn lost(&self, guard: Guard) {
        let journal = self.handle.journal();
        if self.order() == Order::Cut {
            self.broken_off.store(true, Relaxed);
            journal.cut(&guard.entry(), "cut in the middle of its response");
        } else if !journal.has_let_go(&guard.entry()) {
            guard.end_as(CLIENT_GONE);
        }
    }

    /// HTTP/1.x: the connection stops being HTTP; `guard` keeps it in the ledger until it is over, unless
    /// something else does.
    pub(crate) fn upgraded(&self, guard: Option<Guard>) {
        self.happened(ConnectionEvent::Upgraded, Millis::now());
        self.leftover().upgraded = guard;
    }

    /// HTTP/2: one of the streams is a tunnel from now on.
    pub(crate) fn tunnel_opened(&self) {
        self.count_in_flight(1);
    }

    /// It is over.
    pub(crate) fn tunnel_ended(&self) {
        self.count_in_flight(-1);
    }
}
