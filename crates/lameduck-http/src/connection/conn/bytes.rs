//! What is seen of a connection's bytes.

use std::sync::atomic::Ordering::Relaxed;

use super::preface::{PREFACE, match_preface};
use super::{Conn, ConnectionEvent, ConnectionState, Order, RequestFraming};
use crate::connection::pauses::counts;
use lameduck_core::internal::clock::Millis;

impl Conn {
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
    pub(super) fn notes_early_end(&self) {
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

    #[inline]
    pub(crate) fn is_http2(&self) -> bool {
        self.preface.load(Relaxed) as usize == PREFACE.len()
    }
}
