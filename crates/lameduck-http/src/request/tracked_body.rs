//! A response's body, which keeps its request in the ledger until the last byte has been written.
//!
//! # What must hold
//!
//! A request is over when its last byte is with the kernel, not when hyper has taken it: a peer that
//! does not read, or that leaves no room in its window, may keep it in a buffer of ours for as long
//! as it likes. So the last data takes the request along, if it is known to be the last; and what ends
//! otherwise says so, and is kept by the connection until the next flush ([`ResponseEnd`]).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::body_fault::{BodyFault, guarded};
use super::in_flight::{DrainDeadline, InFlight, time_is_over};
use super::unread::{Unread, UnreadPiece};
use crate::connection::conn::ResponseEnd;
use crate::connection::tunnel;
use crate::event_stream::body::{BodyPoll, Chunk, EventStreamBody};
use crate::grpc::status::{Dialect, ServerStatus};
use lameduck_core::BoxError;

pin_project! {
    /// The handler's body, or a short text of ours.
    pub(crate) struct TrackedBody<B> {
        #[pin]
        inner: BodySource<B>,
        in_flight: Option<InFlight>,
        let_go: Option<DrainDeadline>,
        dialect: Dialect,
        // What hyper holds of it, over HTTP/2.
        unread: Option<Unread>,
        // Whether its answer opens a tunnel over HTTP/2.
        tunnel: bool,
    }

    impl<B> PinnedDrop for TrackedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.tunnel {
                tunnel::not_opened();
            }
            if let Some(unread) = this.unread
                && let Some(it) = this.in_flight.take_if(|it| it.end == ResponseEnd::Taken)
            {
                unread.until_read(it);
            }
        }
    }
}

pin_project! {
    #[project = BodySourceProj]
    enum BodySource<B> {
        Handlers { #[pin] body: EventStreamBody<B> },
        Text { text: &'static str },
        /// It is not polled again. The next turn says why.
        Broken { fault: Option<Box<BodyFault>> },
    }
}

impl<B> TrackedBody<B> {
    pub(crate) fn of(
        body: EventStreamBody<B>,
        in_flight: Option<InFlight>,
        let_go: Option<DrainDeadline>,
        dialect: Dialect,
        tunnel: bool,
    ) -> Self {
        TrackedBody {
            inner: BodySource::Handlers { body },
            in_flight,
            let_go,
            dialect,
            unread: None,
            tunnel,
        }
    }

    pub(crate) fn text(text: &'static str, in_flight: Option<InFlight>) -> Self {
        let mut in_flight = in_flight;
        if let (Some(it), "") = (&mut in_flight, text) {
            it.end = ResponseEnd::Taken;
        }
        TrackedBody {
            inner: BodySource::Text { text },
            in_flight,
            let_go: None,
            // Nothing is left of a text that could be cut.
            dialect: Dialect::Http2,
            unread: None,
            tunnel: false,
        }
    }
}

/// What was cut at the end of the drain.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut: the time for draining is over")]
struct Cut;

/// The handler's data or ours, and who waits for it to be read.
pub(crate) struct Data<D> {
    bytes: Chunk<D>,
    waits: Waits,
}

enum Waits {
    Nobody,
    /// The request, if it is the last of its response.
    Request(InFlight),
    /// The request will, if it is one of several over HTTP/2.
    Others(UnreadPiece),
}

impl Waits {
    #[inline]
    fn request(it: Option<InFlight>, dialect: Dialect) -> Waits {
        let Some(mut it) = it else {
            return Waits::Nobody;
        };
        // Over HTTP/1.x it is whole when hyper thinks so: an answer may have said that it is shorter.
        if dialect.is_http1() {
            it.end = ResponseEnd::Written;
        }
        Waits::Request(it)
    }
}

/// hyper has all of a response.
#[inline]
fn all_taken(in_flight: &mut Option<InFlight>) {
    if let Some(it) = in_flight {
        it.end = ResponseEnd::Taken;
    }
}

/// What comes of a frame.
type Polled<D> = Poll<Option<Result<Frame<Data<D>>, BoxError>>>;

impl<B: Body> TrackedBody<B> {
    /// Ends before its end because the time is over.
    #[cold]
    fn cut(self: Pin<&mut Self>) -> Polled<B::Data> {
        let mut this = self.project();
        let Some(mut it) = this.in_flight.take() else {
            return Poll::Ready(None);
        };
        if *this.dialect == Dialect::Grpc {
            it.let_go("ended as UNAVAILABLE in the middle of its response");
            this.inner.set(BodySource::Text { text: "" });
            let trailers = ServerStatus::Unavailable.trailers();
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        it.let_go("cut in the middle of its response");
        it.conn.breaks_off();
        Poll::Ready(Some(Err(Cut.into())))
    }

    /// Ends before its end by a fault of the application's.
    #[cold]
    fn breaks(self: Pin<&mut Self>, fault: BodyFault) -> Polled<B::Data> {
        let this = self.project();
        if let Some(mut it) = this.in_flight.take() {
            it.breaks(&fault);
            it.conn.breaks_off();
        }
        if *this.dialect == Dialect::Grpc {
            let trailers = ServerStatus::Internal.trailers();
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(Some(Err(fault.into())))
    }
}

impl<D: Buf> Buf for Data<D> {
    #[inline]
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(dst)
    }

    #[inline]
    fn advance(&mut self, cnt: usize) {
        self.bytes.advance(cnt);
        match &mut self.waits {
            Waits::Nobody => {}
            Waits::Request(it) => {
                it.conn.takes_last();
                if !self.bytes.has_remaining() {
                    it.end = ResponseEnd::Written;
                }
            }
            Waits::Others(it) => {
                if !self.bytes.has_remaining() {
                    it.is_read();
                }
            }
        }
    }
}

impl<B> Body for TrackedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Data<B::Data>;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B::Data> {
        let mut this = self.as_mut().project();
        let mut body = match this.inner.as_mut().project() {
            BodySourceProj::Handlers { body } => body,
            BodySourceProj::Text { text } => {
                return match std::mem::take(text) {
                    "" => Poll::Ready(None),
                    text => {
                        let waits = Waits::request(this.in_flight.take(), *this.dialect);
                        let bytes = Chunk::Ours(text.into());
                        let data = Data { bytes, waits };
                        Poll::Ready(Some(Ok(Frame::data(data))))
                    }
                };
            }
            BodySourceProj::Broken { fault } => {
                let fault = fault.take();
                return fault.map_or(Poll::Ready(None), |it| self.breaks(*it));
            }
        };
        // Written from within the closure: what it returns would be copied.
        let (mut given, mut data, mut trailers) = (BodyPoll::Pending, None, None);
        let (mut some, mut last) = (false, false);
        let caught = guarded(|| {
            given = body.as_mut().poll_into(cx, &mut data, &mut trailers);
            some = data.as_ref().is_some_and(Buf::has_remaining);
            last = some && body.as_mut().is_over();
        });
        // One by one: a pair of both would be copied too.
        let fault = match caught {
            Err(fault) => fault,
            Ok(()) => match given {
                BodyPoll::Frame => {
                    let Some(bytes) = data else {
                        all_taken(this.in_flight);
                        return Poll::Ready(trailers.map(|it| Ok(Frame::trailers(it))));
                    };
                    let waits = if last {
                        Waits::request(this.in_flight.take(), *this.dialect)
                    } else if some && !this.dialect.is_http1() && this.in_flight.is_some() {
                        Waits::Others(this.unread.get_or_insert_default().piece())
                    } else {
                        Waits::Nobody
                    };
                    return Poll::Ready(Some(Ok(Frame::data(Data { bytes, waits }))));
                }
                BodyPoll::End => {
                    all_taken(this.in_flight);
                    return Poll::Ready(None);
                }
                BodyPoll::Pending => {
                    return match this.in_flight {
                        Some(it) if time_is_over(it.handle(), this.let_go, cx) => self.cut(),
                        _ => Poll::Pending,
                    };
                }
                BodyPoll::Error(error) => BodyFault::of(&error.into()),
            },
        };
        if let Some(it) = this.in_flight {
            fault.tell_panic(it.handle(), || Some(it.name()));
        }
        // What has panicked may panic again when it is dropped.
        let fault = Some(Box::new(fault));
        let broken = BodySource::Broken { fault };
        let _ = guarded(|| this.inner.set(broken));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            BodySource::Handlers { body } => body.is_end_stream(),
            BodySource::Text { text } => text.is_empty(),
            BodySource::Broken { fault } => fault.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            BodySource::Handlers { body } => body.size_hint(),
            BodySource::Text { text } => SizeHint::with_exact(text.len() as u64),
            BodySource::Broken { .. } => SizeHint::default(),
        }
    }
}
