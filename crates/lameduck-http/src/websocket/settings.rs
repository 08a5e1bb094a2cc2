//! How WebSockets are kept, and sent away.

use std::time::Duration;

use lameduck_core::BadConfiguration;

use super::close_code;
use super::keepalive::Keepalive;
use super::message::CloseFrame;

/// How WebSockets are kept, and sent away when the shutdown drains. Give it to
/// [`Lifecycle::component`](lameduck_core::Lifecycle::component): once, for all servers of the process.
///
/// ```
/// use std::time::Duration;
/// use lameduck_core::Lifecycle;
/// use lameduck_http::websocket::WebSockets;
///
/// let away = WebSockets::new()
///     .window(Duration::from_secs(8))
///     .at_most_per_second(500)
///     .restart()
///     .reason("deploy");
/// let life = Lifecycle::embedded().component(away);
/// ```
///
/// # The pace
///
/// For `n` sockets, with `left` until the time for draining is over:
///
/// ```text
/// spread  = max(min(window, n · 50 ms), n / per second), but at most left / 2
/// size    = max(batch, n · 10 ms / spread)
/// batches = n / size, rounded up
/// the i-th batch goes at spread · (i + u) / batches, with u random in 0..1
/// ```
///
/// So a few sockets do not take the whole window; the bound on the rate stretches the window, and
/// only the end of the budget overrules that bound; and all are told before the spread is over, with
/// at least as much time left for the closing handshakes. 10,000 sockets, with the defaults: 20
/// each 10 ms for 5 s, of the 24 s that a grace of 30 s has for draining.
///
/// A second signal sends all that are left away at once.
#[must_use = "settings that are not given to `Lifecycle::component` change nothing"]
#[derive(Clone, Debug)]
pub struct WebSockets {
    pub(super) window: Duration,
    pub(super) batch: usize,
    pub(super) per_second: u32,
    pub(super) closing: Duration,
    pub(super) keepalive: Keepalive,
    restart: bool,
    reason: String,
}

/// What fits into a Close frame beside its code (RFC 6455, 5.5).
const LONGEST_REASON: usize = 123;

impl Default for WebSockets {
    fn default() -> WebSockets {
        WebSockets {
            window: Duration::from_secs(5),
            batch: 1,
            per_second: 4000,
            closing: Duration::from_secs(2),
            keepalive: Keepalive::default(),
            restart: false,
            reason: "shutting down".to_owned(),
        }
    }
}

impl WebSockets {
    /// The defaults.
    pub fn new() -> WebSockets {
        WebSockets::default()
    }

    /// Over how long to spread the Close frames. Default: 5 s; zero for all at once as far as the
    /// bound on the rate allows. `LAMEDUCK_WEBSOCKET_WINDOW` wins. The drain takes at most this much
    /// longer, unless the bound on the rate stretches it; never more than half of the drain.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many sockets go together. Default: 1. More of them go together where that is needed
    /// for there to be no more than a batch each 10 ms. Zero is one.
    pub fn batch(mut self, sockets: usize) -> Self {
        self.batch = sockets.max(1);
        self
    }

    /// How many sockets may go within a second. Default: 4,000. Zero is one.
    pub fn at_most_per_second(mut self, sockets: u32) -> Self {
        self.per_second = sockets.max(1);
        self
    }

    /// How long a peer may take to answer a Close frame. Default: 2 s, at most three quarters of
    /// what is left for draining. Counted anew while it takes what was sent to it before, or sends a
    /// long message; so a peer that does nothing costs at least this and less than twice as much.
    pub fn closing(mut self, closing: Duration) -> Self {
        self.closing = closing;
        self
    }

    /// How long a peer may be silent before it is pinged. Default: 30 s; zero: no pings. The first ping goes after
    /// between a half of this and all of it, any other after less than twice of it.
    ///
    /// Without pings a peer that has lost its network stays in the ledger until something is sent to it, perhaps for
    /// ever; and what stands between forgets connections on which nothing happens, usually after 60 s (nginx's
    /// `proxy_read_timeout`, the load balancers of AWS). Every client that follows RFC 6455, 5.5.2, answers pings
    /// by itself; the answers are not shown to the application.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.keepalive.interval = interval;
        self
    }

    /// How long a pinged peer may stay silent. Default: 20 s. Then it is given up: its connection ends without a Close,
    /// the application gets [`WebSocketError::PeerGone`](super::WebSocketError::PeerGone), and the report counts it
    /// under `client_gone`. Anything from the peer is an answer. It may take longer by 1 s for each 16 KiB that was
    /// sent to it since it was heard last, by 256 s at most.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive.timeout = timeout;
        self
    }

    /// Closes a socket, with 1000 and the reason `idle`, on which neither side has sent text or bytes for this long,
    /// and for less than twice of it. Default: zero, never. Pings and pongs do not count.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive.idle = timeout;
        self
    }

    /// Says 1012, "Service Restart", instead of 1001, "Going Away". Some clients come back after the
    /// one and not after the other.
    pub fn restart(mut self) -> Self {
        self.restart = true;
        self
    }

    /// What the Close frame gives as the reason. Default: `shutting down`. At most 123 bytes,
    /// which is what such a frame has room for; more is bad configuration.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The Close frame.
    pub(super) fn goodbye(&self) -> CloseFrame {
        CloseFrame {
            code: match self.restart {
                true => close_code::RESTART,
                false => close_code::AWAY,
            },
            reason: self.reason.as_str().into(),
        }
    }

    /// Refuses what cannot be sent.
    pub(super) fn check(&self) -> Result<(), BadConfiguration> {
        match self.reason.len() {
            0..=LONGEST_REASON => Ok(()),
            length => Err(BadConfiguration::new(format!(
                "the reason for closing WebSockets has {length} bytes; give at most \
                 {LONGEST_REASON}, for example `shutting down`"
            ))),
        }
    }

    /// The same with the window of the environment.
    pub(super) fn within(self, window: Option<Duration>) -> WebSockets {
        match window {
            Some(window) => self.window(window),
            None => self,
        }
    }
}
