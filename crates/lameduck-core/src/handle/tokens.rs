//! The shutdown as tokens of `tokio_util`, for code that knows nothing of a [`Handle`](crate::Handle); and the other
//! way round, a shutdown that a token of the application's begins.
//!
//! # What must hold
//!
//! 1. A token is cancelled by whoever moves the shutdown on, at that moment: no task and no runtime is needed, and one
//!    that is asked for later is cancelled already.
//! 2. What is given out is a child: whoever cancels theirs cancels nobody else's, and begins no shutdown.
//!
//! Without the feature `tokio-util` there are no tokens, and nothing is done.

#[cfg(feature = "tokio-util")]
use tokio_util::sync::CancellationToken;

#[cfg(feature = "tokio-util")]
use crate::handle::Handle;

/// One for each moment of a shutdown that work may have to react to.
#[derive(Default)]
pub(crate) struct Tokens {
    #[cfg(feature = "tokio-util")]
    shutdown: CancellationToken,
    #[cfg(feature = "tokio-util")]
    draining: CancellationToken,
    #[cfg(feature = "tokio-util")]
    drain_deadline: CancellationToken,
}

impl Tokens {
    pub(crate) fn shutdown_begins(&self) {
        #[cfg(feature = "tokio-util")]
        self.shutdown.cancel();
    }

    pub(crate) fn drain_begins(&self) {
        #[cfg(feature = "tokio-util")]
        self.draining.cancel();
    }

    pub(crate) fn drain_is_over(&self) {
        #[cfg(feature = "tokio-util")]
        self.drain_deadline.cancel();
    }
}

#[cfg(feature = "tokio-util")]
impl Handle {
    /// A token that is cancelled when the shutdown begins, as [`is_shutting_down`](Handle::is_shutting_down) says: the moment to
    /// stop taking new work. Feature `tokio-util`.
    ///
    /// Each call makes a child of one token: to cancel it cancels no other, and begins no shutdown. One for that:
    /// [`shutdown_when_cancelled`](Handle::shutdown_when_cancelled). The token of a lifecycle that is dropped before
    /// its end is never cancelled.
    ///
    /// ```no_run
    /// # async fn consume(_: tokio_util::sync::CancellationToken) {}
    /// # fn start(handle: &lameduck_core::Handle) {
    /// handle.spawn("consumer", "mails", consume(handle.shutdown_token()));
    /// # }
    /// ```
    pub fn shutdown_token(&self) -> CancellationToken {
        self.tokens().shutdown.child_token()
    }

    /// A token that is cancelled when the drain begins, after the lame-duck phase: what is in flight should come to
    /// its end. Otherwise like [`shutdown_token`](Handle::shutdown_token).
    pub fn draining_token(&self) -> CancellationToken {
        self.tokens().draining.child_token()
    }

    /// A token that is cancelled when the time for draining is over
    /// ([`Budget::drain_until`](crate::budget::Budget::drain_until)) and something is still in flight: the last moment
    /// to give work back. Never cancelled in a shutdown that needs less time. Otherwise like
    /// [`shutdown_token`](Handle::shutdown_token).
    pub fn drain_deadline_token(&self) -> CancellationToken {
        self.tokens().drain_deadline.child_token()
    }

    /// Begins the shutdown when `token` is cancelled, for this reason. Feature `tokio-util`.
    ///
    /// A task looks out for it until the shutdown begins, whoever begins it.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, as `tokio::spawn`.
    #[track_caller]
    pub fn shutdown_when_cancelled(&self, token: CancellationToken, reason: impl Into<String>) {
        let (handle, reason) = (self.clone(), reason.into());
        tokio::spawn(async move {
            tokio::select! {
                () = token.cancelled() => handle.shutdown(reason),
                () = handle.until_shutdown() => {}
            }
        });
    }
}
