//! What the requests on a connection see and say.

use std::sync::atomic::Ordering::Relaxed;

use super::{Conn, ConnectionEvent, ConnectionState, Follows, RequestFraming};
use lameduck_core::internal::clock::Millis;

impl Conn {
    /// A request's head is whole, and `follows` is behind it, some of which may have come. Returns when its last byte
    /// came, which saves a look at the clock.
    #[inline]
    pub(crate) fn request_began(&self, follows: Follows) -> Millis {
        self.used.store(true, Relaxed);
        self.unread.store(follows != Follows::Nothing, Relaxed);
        let state = self.state();
        if state != ConnectionState::Http2 {
            let framing = self.framing.load(Relaxed);
            // As a rule it is known already.
            let framing = match follows {
                Follows::Nothing if framing == const { RequestFraming::ALONE.pack() } => {
                    const { RequestFraming::Body { missing: 0 }.pack() }
                }
                _ => RequestFraming::unpack(framing).asked(follows).pack(),
            };
            self.framing.store(framing, Relaxed);
            if self.half_closed.is_set() {
                self.notes_early_end();
            }
        }
        self.count_in_flight(1);
        let last_byte = self.last_byte();
        self.happened_in(state, ConnectionEvent::Asked, last_byte);
        last_byte
    }

    /// A request of HTTP/1.x begins and ends in the connection's own task, where a load and a store do;
    /// a stream of HTTP/2 is a task of its own. Returns how many there are now.
    #[inline]
    pub(super) fn count_in_flight(&self, by: i32) -> u32 {
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
}
