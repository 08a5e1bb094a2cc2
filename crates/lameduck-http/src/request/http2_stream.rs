//! What a request over HTTP/2 has besides: it is a task of its own, and hyper takes its answer long before the peer does.
//!
//! A request of HTTP/1.x has nothing of this.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use super::in_flight::InFlight;
use super::rare::Rare;
use super::unread::Unread;
use crate::connection::conn::ResponseEnd;
use crate::connection::tunnel;
use lameduck_core::Handle;

/// What one stream has.
pub(crate) struct Http2Stream {
    deadline: Option<DrainDeadline>,
    /// What hyper holds of its response.
    pub(super) unread: Option<Unread>,
    /// Whether its answer opens a tunnel.
    pub(super) opens_tunnel: bool,
    /// Whether it may be reset while the handler reads the request's body.
    pub(super) may_be_cut_off: bool,
}

impl Http2Stream {
    pub(super) fn new(handle: &Handle, may_be_cut_off: bool) -> Http2Stream {
        Http2Stream {
            deadline: Some(DrainDeadline::new(handle)),
            unread: None,
            opens_tunnel: false,
            may_be_cut_off,
        }
    }

    fn waits_for_deadline(&mut self, cx: &mut Context<'_>) {
        if let Some(waiting) = &mut self.deadline
            && waiting.0.as_mut().poll(cx).is_ready()
        {
            self.deadline = None;
        }
    }

    /// hyper has dropped its body.
    pub(super) fn dropped(&self, in_flight: &mut Option<InFlight>) {
        if self.opens_tunnel {
            tunnel::not_opened();
        }
        if let Some(unread) = &self.unread
            && let Some(it) = in_flight.take_if(|it| it.end == ResponseEnd::Taken)
        {
            unread.until_read(it);
        }
    }
}

/// Wakes a task when the time for draining is over.
struct DrainDeadline(Pin<Box<dyn Future<Output = ()> + Send>>);

impl DrainDeadline {
    fn new(handle: &Handle) -> DrainDeadline {
        let handle = handle.clone();
        DrainDeadline(Box::pin(async move { handle.until_drain_deadline().await }))
    }
}

/// Whether the time for draining is over; if not, a stream is woken when it is.
pub(super) fn time_is_over(
    handle: &Handle,
    stream: &mut Rare<Http2Stream>,
    cx: &mut Context<'_>,
) -> bool {
    if let Some(stream) = stream.get_mut() {
        stream.waits_for_deadline(cx);
    }
    handle.is_past_drain_deadline()
}
