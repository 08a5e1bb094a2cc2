//! A request's place in the ledger, and how it learns that its time is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use http::Request;

use super::body_fault::BodyFault;
use super::request_name::track;
use crate::connection::conn::{Conn, Follows, ResponseEnd};
use lameduck_core::Handle;
use lameduck_core::inflight::{Guard, Name};
use lameduck_core::internal::clock::Millis;

/// Keeps a request in the ledger and its connection busy, once it has begun.
pub(crate) struct InFlight {
    /// In the ledger until it ends or is let go.
    guard: Option<Guard>,
    pub(crate) conn: Arc<Conn>,
    /// How it ends if it is dropped now.
    pub(crate) end: ResponseEnd,
}

impl InFlight {
    #[inline]
    pub(crate) fn new(conn: Arc<Conn>) -> InFlight {
        InFlight {
            guard: None,
            conn,
            end: ResponseEnd::NotBegun,
        }
    }

    /// The head of the request is whole, and `follows` is behind it: enters it into the ledger, as of when its last
    /// byte came.
    #[inline]
    pub(super) fn begin<B>(&mut self, request: &Request<B>, follows: Follows) -> Millis {
        let since = self.conn.request_began(follows);
        self.end = ResponseEnd::Early;
        self.guard = Some(track(self.handle(), request, since));
        since
    }

    #[inline]
    pub(crate) fn handle(&self) -> &Handle {
        self.conn.handle()
    }

    /// Writes down that this request is let go, and takes it off the ledger.
    pub(crate) fn let_go(&mut self, why: &str) {
        if let Some(guard) = self.guard.take() {
            self.handle().journal().cut(&guard.entry(), why);
        }
    }

    /// Its response ends before its end, by a fault of the application's; or of the client's, if that has
    /// given its own request up before.
    pub(crate) fn breaks(&mut self, fault: &BodyFault) {
        if self.conn.has_left_early() {
            self.end = ResponseEnd::GivenUp;
        } else {
            self.end = ResponseEnd::Broken;
            fault.tell_error(self.handle(), self.name());
        }
    }

    /// What it is called. Asked for seldom, so only the ledger keeps it.
    pub(crate) fn name(&self) -> Name {
        let entry = self.guard.as_ref().map(Guard::entry);
        entry.map_or_else(|| "a request that was let go".into(), |entry| entry.name)
    }
}

impl Drop for InFlight {
    #[inline]
    fn drop(&mut self) {
        self.conn.request_ended(&mut self.guard, self.end);
    }
}

/// Wakes a task when the time for draining is over.
pub(crate) struct DrainDeadline(Pin<Box<dyn Future<Output = ()> + Send>>);

impl DrainDeadline {
    pub(crate) fn new(handle: &Handle) -> DrainDeadline {
        let handle = handle.clone();
        DrainDeadline(Box::pin(async move { handle.until_drain_deadline().await }))
    }
}

/// Whether the time for draining is over; if not, the task is woken when it is.
pub(crate) fn time_is_over(
    handle: &Handle,
    let_go: &mut Option<DrainDeadline>,
    cx: &mut Context<'_>,
) -> bool {
    if let Some(waiting) = let_go
        && waiting.0.as_mut().poll(cx).is_ready()
    {
        *let_go = None;
    }
    handle.is_past_drain_deadline()
}
