//! What comes before HTTP: the header of a proxy, a TLS handshake.

use std::sync::atomic::Ordering::Relaxed;

use super::{Conn, ConnectionEvent};
use lameduck_core::internal::clock::Millis;

impl Conn {
    /// One of the two is expected.
    pub(crate) fn opens(&self) {
        self.happened(ConnectionEvent::Opens, self.connected);
    }

    /// Its first byte has come.
    pub(crate) fn first_of_opening(&self) {
        let now = Millis::now();
        self.pauses
            .first_byte
            .saw(self.last_byte().millis_until(now), now);
        self.last_byte.store(now.0, Relaxed);
        self.happened(ConnectionEvent::Byte, now);
    }

    /// From here on it is as if the peer had just connected.
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
}
