//! Whether somebody has asked for the end of this one connection, and who waits to hear of it.
//!
//! # What must hold
//!
//! 1. A connection of which nobody asks that pays one word, and a request on it one look at that.
//! 2. Whoever waits is told of a request, and of the end of the connection, whichever comes first and however
//!    late he came.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;

use super::moment_cell::MomentCell;
use super::{Conn, Order};
use lameduck_core::internal::Latch;
use lameduck_core::internal::clock::Millis;

/// Empty until somebody asks for the end or waits for it; `None` once it can no longer be asked for.
#[derive(Default)]
pub(super) struct CloseRequest(OnceLock<Option<Box<CloseNotice>>>);

#[derive(Default)]
struct CloseNotice {
    since: MomentCell,
    /// Set when it was asked for, and when the connection has ended.
    told: Latch,
}

impl CloseRequest {
    fn asked(&self) -> Option<&CloseNotice> {
        let made = || Some(Box::default());
        self.0.get_or_init(made).as_deref()
    }

    /// Asks for it; says whether this was the first time.
    pub(super) fn make(&self, at: Millis) -> bool {
        self.asked().is_some_and(|it| {
            it.since.set_once(at);
            it.told.set()
        })
    }

    #[inline]
    pub(super) fn is_made(&self) -> bool {
        match self.0.get() {
            None => false,
            Some(asked) => asked.as_ref().is_some_and(|it| it.since.is_set()),
        }
    }

    pub(super) fn since(&self) -> Option<Millis> {
        self.0.get()?.as_ref()?.since.get()
    }

    /// The connection has ended.
    pub(super) fn is_over(&self) {
        if self.0.set(None).is_err()
            && let Some(asked) = self.asked()
        {
            asked.told.set();
        }
    }

    /// Completes when it was asked for, or the connection has ended. Cancel safe.
    pub(super) async fn until_told(&self) {
        if let Some(asked) = self.asked() {
            asked.told.until_set().await;
        }
    }
}

impl Conn {
    /// Asks for the end of this connection. What it takes is the task's to do, or, if there is nothing to be answered,
    /// the sweep's to time.
    pub(crate) fn request_close(&self) {
        if self.close_request.make(Millis::now()) {
            let (serve, go_away) = (Order::Serve as u8, Order::GoAway as u8);
            // Whatever else it was asked to do ends it as well.
            let given = self
                .order
                .compare_exchange(serve, go_away, Relaxed, Relaxed);
            if given.is_ok() {
                self.waker.wake();
            }
        }
    }

    /// Whether somebody has asked for the end of this connection.
    #[inline]
    pub(crate) fn is_close_requested(&self) -> bool {
        self.close_request.is_made()
    }

    /// Completes when somebody has asked for the end of this connection, or it has ended. Cancel safe.
    pub(crate) async fn until_close_requested(&self) {
        self.close_request.until_told().await;
    }

    /// HTTP/1.x, at the end of a turn, with its end asked for. Without anything to answer nobody is told of that, so the
    /// sweep is to close it at a good moment.
    #[cold]
    pub(crate) fn ends_when_quiet(&self) {
        if self.is_close_requested() && self.snapshot().is_idle() {
            self.look.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_told(request: &CloseRequest) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(request.until_told()).poll(&mut cx) == Poll::Ready(())
    }

    #[test]
    fn whoever_waits_is_told_of_the_first_request_and_of_the_end() {
        let request = CloseRequest::default();
        assert!(!request.is_made());
        assert!(!is_told(&request));
        assert!(request.make(Millis(7)));
        assert!(!request.make(Millis(8)));
        assert_eq!(
            (request.is_made(), request.since()),
            (true, Some(Millis(7)))
        );
        assert!(is_told(&request));

        for waited_for in [false, true] {
            let request = CloseRequest::default();
            if waited_for {
                assert!(!is_told(&request));
            }
            request.is_over();
            assert!(is_told(&request));
            assert!(!request.is_made());
            assert_eq!(request.since(), None);
        }
    }

    #[test]
    fn what_is_over_cannot_be_asked_to_end() {
        let request = CloseRequest::default();
        request.is_over();
        assert!(!request.make(Millis(7)));
        assert!(!request.is_made());
    }
}
