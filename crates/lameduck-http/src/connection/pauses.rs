//! How long peers pause between a response and the next request.
//!
//! A pause contains the round trip, which nobody configures right, and the peer's own thinking. So
//! it is measured, on each connection and over all of them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lameduck_core::internal::clock::Millis;

/// The least quiet before an idle connection is closed: 150 ms.
pub(crate) const LEAST_QUIET: Duration = Duration::from_millis(150);
/// The most: 2 s. Peers that pause for longer are not waited for.
pub(crate) const MOST_QUIET: Duration = Duration::from_secs(2);

/// The longest that we read after our FIN, or after the peer's last sign of life: 1 s.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// The longest pause that says something about the peer, in milliseconds: half of [`MOST_QUIET`].
/// Longer ones are a pool's spare connections.
const COUNTS_MS: u64 = MOST_QUIET.as_millis() as u64 / 2;

/// A pause in milliseconds, if it says something about the peer.
#[inline]
pub(crate) fn counts(pause_ms: u64) -> Option<u32> {
    (pause_ms <= COUNTS_MS).then_some(pause_ms as u32)
}

/// The longest pause seen lately on any connection of the server. Half a minute old ones are
/// forgotten, so that one slow client does not slow the next shutdown.
#[derive(Default)]
pub(crate) struct LongestPause {
    /// The time in ms in the upper 44 bits, the pause in ms in the lower 20.
    packed: AtomicU64,
}

impl LongestPause {
    const MEMORY_MS: u64 = 30_000;

    #[inline]
    pub(crate) fn saw(&self, pause_ms: u64, now: Millis) {
        let Some(ms) = counts(pause_ms) else { return };
        let packed = self.packed.load(Relaxed);
        let (at, longest) = (packed >> 20, packed & 0xf_ffff);
        // Racing writers may lose one sample of many.
        if u64::from(ms) > longest || now.0 > at + Self::MEMORY_MS {
            self.packed.store((now.0 << 20) | u64::from(ms), Relaxed);
        }
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_millis(self.packed.load(Relaxed) & 0xf_ffff)
    }
}

/// The pauses of all connections of one server.
#[derive(Default)]
pub(crate) struct PeerPauses {
    /// Between a response and the next request.
    pub(crate) turnaround: LongestPause,
    /// Between the connection and its first byte.
    pub(crate) first_byte: LongestPause,
}

/// How quiet a connection must have been.
pub(crate) fn quiet_enough(own: Duration, servers: Duration, least: Duration) -> Duration {
    let pause = if own.is_zero() { servers } else { own };
    (2 * pause + Duration::from_millis(50)).clamp(least, MOST_QUIET)
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
        assert_eq!(quiet_enough(ms(0), ms(200), ms(500)), ms(500));
        assert_eq!(quiet_enough(ms(1000), ms(0), LEAST_QUIET), MOST_QUIET);
    }

    #[test]
    fn a_spare_connection_says_nothing_about_pauses() {
        let recent = LongestPause::default();
        recent.saw(20_000, Millis(1));
        assert_eq!(recent.longest(), ms(0));
    }

    #[test]
    fn the_longest_pause_is_remembered_for_half_a_minute() {
        let recent = LongestPause::default();
        recent.saw(300, Millis(1_000));
        recent.saw(20, Millis(20_000));
        assert_eq!(recent.longest(), ms(300));
        recent.saw(20, Millis(31_001));
        assert_eq!(recent.longest(), ms(20));
    }
}
