//! Whether a peer is still there, and whether anybody still uses the socket: plain arithmetic, no clock.
//!
//! A peer that loses its network says nothing, and the kernel notices only when something is sent to it. So a peer
//! that has been silent is pinged (RFC 6455, 5.5.2).
//!
//! # What must hold
//!
//! 1. Only a peer that has been pinged, and from which not a byte has come since, is given up; and not because the
//!    application does not read.
//! 2. One that still takes what was sent to it before the ping has the time for that.
//! 3. A socket is looked at once in an interval, and costs nothing between.

use std::time::Duration;

use tokio::time::Instant;

/// What a slow peer may be expected to take in a second: 16 KiB.
const SLOW: u64 = 16 * 1024;
/// What the kernel may hold for it: 4 MiB, the most that Linux gives a connection (`tcp_wmem`).
const IN_KERNEL: u64 = 4 << 20;
/// As good as never, and no clock overflows by it.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What the application has asked for; zero is off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keepalive {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) idle: Duration,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(20),
            idle: Duration::ZERO,
        }
    }
}

impl Keepalive {
    pub(super) fn is_off(&self) -> bool {
        self.interval.is_zero() && self.idle.is_zero()
    }
}

/// What has gone over a socket so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// In bytes.
    pub(super) read: u64,
    pub(super) written: u64,
    /// Text and binary messages, in both directions.
    pub(super) messages: u64,
    /// Whether a ping is not with the kernel yet.
    pub(super) ping_unsent: bool,
    /// Whether the application has left so much unread that the peer cannot be heard.
    pub(super) unheard: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeepaliveStep {
    Again(Instant),
    Ping,
    Gone,
    Idle,
}

/// What is known of one peer.
pub(super) struct PeerLiveness {
    keepalive: Keepalive,
    /// When the peer was heard for the last time, and what had gone over the socket until then.
    heard_at: Instant,
    read: u64,
    written: u64,
    pinged: Option<Instant>,
    /// What it had taken when somebody looked while the ping was not out.
    taken: u64,
    messages: u64,
    used_at: Instant,
}

fn later(at: Instant, by: Duration) -> Instant {
    at + by.min(NEVER)
}

impl PeerLiveness {
    /// `jitter`, in 0..1, keeps those apart that have come together.
    pub(super) fn new(keepalive: Keepalive, now: Instant, jitter: f64) -> PeerLiveness {
        let ahead = keepalive.interval.min(NEVER).mul_f64(jitter / 2.0);
        PeerLiveness {
            keepalive,
            heard_at: now.checked_sub(ahead).unwrap_or(now),
            read: 0,
            written: 0,
            pinged: None,
            taken: 0,
            messages: 0,
            used_at: now,
        }
    }

    pub(super) fn look(&mut self, now: Instant, counts: Counts) -> KeepaliveStep {
        let Keepalive {
            interval,
            timeout,
            idle,
        } = self.keepalive;
        if counts.read != self.read || counts.unheard {
            (self.read, self.written) = (counts.read, counts.written);
            self.heard_at = now;
            self.pinged = None;
        }
        if counts.messages != self.messages {
            self.messages = counts.messages;
            self.used_at = now;
        }
        let unused = match idle.is_zero() {
            true => NEVER,
            false => idle,
        };
        let unused = later(self.used_at, unused);
        if now >= unused {
            return KeepaliveStep::Idle;
        }
        if interval.is_zero() {
            return KeepaliveStep::Again(unused);
        }
        let next = match self.pinged {
            None => {
                let next = later(self.heard_at, interval);
                if now >= next {
                    self.pinged = Some(now);
                    self.taken = counts.written;
                    return KeepaliveStep::Ping;
                }
                next
            }
            Some(_) if counts.ping_unsent && counts.written > self.taken => {
                self.pinged = Some(now);
                self.taken = counts.written;
                later(now, timeout)
            }
            Some(at) => {
                let before = (counts.written - self.written).min(IN_KERNEL);
                let slow = Duration::from_secs(before / SLOW);
                let next = later(at, timeout.saturating_add(slow));
                if now >= next {
                    return KeepaliveStep::Gone;
                }
                next
            }
        };
        KeepaliveStep::Again(next.min(unused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn pulse(interval: u64, timeout: u64, idle: u64) -> (PeerLiveness, Instant) {
        let now = Instant::now();
        let keepalive = Keepalive {
            interval: s(interval),
            timeout: s(timeout),
            idle: s(idle),
        };
        (PeerLiveness::new(keepalive, now, 0.0), now)
    }

    fn counts(read: u64, written: u64) -> Counts {
        Counts {
            read,
            written,
            ..Counts::default()
        }
    }

    #[test]
    fn a_peer_that_talks_is_not_pinged_and_one_that_answers_stays() {
        let (mut it, t) = pulse(30, 20, 0);
        assert_eq!(it.look(t, counts(0, 0)), KeepaliveStep::Again(t + s(30)));
        assert_eq!(
            it.look(t + s(30), counts(7, 0)),
            KeepaliveStep::Again(t + s(60))
        );
        assert_eq!(it.look(t + s(60), counts(7, 0)), KeepaliveStep::Ping);
        assert_eq!(
            it.look(t + s(60), counts(7, 10)),
            KeepaliveStep::Again(t + s(80))
        );
        assert_eq!(
            it.look(t + s(80), counts(17, 10)),
            KeepaliveStep::Again(t + s(110))
        );
        assert_eq!(it.look(t + s(110), counts(17, 10)), KeepaliveStep::Ping);
        assert_eq!(it.look(t + s(130), counts(17, 20)), KeepaliveStep::Gone);
    }

    #[test]
    fn a_slow_peer_has_the_time_for_what_was_sent_before_the_ping() {
        let (mut it, t) = pulse(30, 20, 0);
        let sent = counts(0, 160 * 1024);
        assert_eq!(it.look(t + s(30), sent), KeepaliveStep::Ping);
        assert_eq!(it.look(t + s(50), sent), KeepaliveStep::Again(t + s(60)));
        assert_eq!(it.look(t + s(60), sent), KeepaliveStep::Gone);
        // However much that is, it cannot be more than the kernel holds.
        let (mut it, t) = pulse(30, 20, 0);
        let sent = counts(0, u64::MAX / 2);
        assert_eq!(it.look(t + s(30), sent), KeepaliveStep::Ping);
        assert_eq!(
            it.look(t + s(31), sent),
            KeepaliveStep::Again(t + s(30 + 20 + 256))
        );
    }

    #[test]
    fn a_ping_that_is_not_out_waits_as_long_as_the_peer_takes_something() {
        let (mut it, t) = pulse(30, 20, 0);
        let unsent = |written| Counts {
            ping_unsent: true,
            ..counts(0, written)
        };
        assert_eq!(it.look(t + s(30), counts(0, 100)), KeepaliveStep::Ping);
        assert_eq!(
            it.look(t + s(50), unsent(200)),
            KeepaliveStep::Again(t + s(70))
        );
        assert_eq!(
            it.look(t + s(70), unsent(300)),
            KeepaliveStep::Again(t + s(90))
        );
        assert_eq!(it.look(t + s(90), unsent(300)), KeepaliveStep::Gone);
    }

    #[test]
    fn an_idle_socket_is_told_from_a_gone_one() {
        let (mut it, t) = pulse(0, 20, 60);
        let used = |messages| Counts {
            messages,
            ..counts(messages, 0)
        };
        assert_eq!(it.look(t, used(0)), KeepaliveStep::Again(t + s(60)));
        assert_eq!(
            it.look(t + s(60), used(1)),
            KeepaliveStep::Again(t + s(120))
        );
        // Pongs are no use.
        assert_eq!(
            it.look(
                t + s(120),
                Counts {
                    read: 99,
                    ..used(1)
                }
            ),
            KeepaliveStep::Idle
        );
    }

    #[test]
    fn the_longest_durations_are_never() {
        let keepalive = Keepalive {
            interval: Duration::MAX,
            timeout: Duration::MAX,
            idle: Duration::MAX,
        };
        let now = Instant::now();
        let mut it = PeerLiveness::new(keepalive, now, 0.9);
        assert!(
            matches!(it.look(now, counts(0, 0)), KeepaliveStep::Again(at) if at > now + s(1 << 25))
        );
    }
}
