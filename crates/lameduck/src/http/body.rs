//! A response's body, which keeps its request in the ledger until the last byte has been written.
//!
//! # What must hold
//!
//! A request is over when its last byte is with the kernel, not when hyper has taken it: a peer that
//! does not read, or that leaves no room in its window, may keep it in a buffer of ours for as long
//! as it likes. So the last data takes the request along, if it is known to be the last.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::ending::{Chunk, Ending};
use super::grpc::{Dialect, Status};
use super::in_flight::{InFlight, LetGo, time_is_over};
use crate::component::BoxError;

pin_project! {
    /// The handler's body, or a short text of ours.
    pub(super) struct TrackedBody<B> {
        #[pin]
        inner: Inner<B>,
        in_flight: Option<InFlight>,
        let_go: Option<LetGo>,
        dialect: Dialect,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<B> {
        Handlers { #[pin] body: Ending<B> },
        Text { text: &'static str },
    }
}

impl<B> TrackedBody<B> {
    pub(super) fn of(
        body: Ending<B>,
        in_flight: Option<InFlight>,
        let_go: Option<LetGo>,
        dialect: Dialect,
    ) -> Self {
        TrackedBody {
            inner: Inner::Handlers { body },
            in_flight,
            let_go,
            dialect,
        }
    }

    pub(super) fn text(text: &'static str, in_flight: Option<InFlight>) -> Self {
        TrackedBody {
            inner: Inner::Text { text },
            in_flight,
            let_go: None,
            // Nothing is left of a text that could be cut.
            dialect: Dialect::Http2,
        }
    }
}

/// What was cut at the end of the drain.
#[derive(Debug, thiserror::Error)]
#[error("the response was cut: the time for draining is over")]
struct Cut;

/// Either the handler's data or ours; with the request if it is the last of its response.
pub(super) struct Data<D> {
    bytes: Either<D>,
    _in_flight: Option<InFlight>,
}

enum Either<D> {
    Handlers(Chunk<D>),
    Text(Bytes),
}

impl<D: Buf> Buf for Data<D> {
    #[inline]
    fn remaining(&self) -> usize {
        match &self.bytes {
            Either::Handlers(d) => d.remaining(),
            Either::Text(d) => d.remaining(),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match &self.bytes {
            Either::Handlers(d) => d.chunk(),
            Either::Text(d) => d.chunk(),
        }
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        match &self.bytes {
            Either::Handlers(d) => d.chunks_vectored(dst),
            Either::Text(d) => d.chunks_vectored(dst),
        }
    }

    #[inline]
    fn advance(&mut self, cnt: usize) {
        match &mut self.bytes {
            Either::Handlers(d) => d.advance(cnt),
            Either::Text(d) => d.advance(cnt),
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

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let mut this = self.project();
        match this.inner.as_mut().project() {
            InnerProj::Handlers { mut body } => match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let last = frame.is_data() && body.is_end_stream();
                    Poll::Ready(Some(Ok(frame.map_data(|bytes| Data {
                        bytes: Either::Handlers(bytes),
                        _in_flight: if last { this.in_flight.take() } else { None },
                    }))))
                }
                Poll::Ready(Some(Err(error))) => {
                    if let Some(it) = this.in_flight {
                        it.conn.breaks_off();
                    }
                    Poll::Ready(Some(Err(error.into())))
                }
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => match this.in_flight {
                    Some(it) if time_is_over(it.handle(), this.let_go, cx) => {
                        if *this.dialect == Dialect::Grpc {
                            it.let_go("ended as UNAVAILABLE in the middle of its response");
                            *this.in_flight = None;
                            this.inner.set(Inner::Text { text: "" });
                            let trailers = Status::Unavailable.trailers();
                            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                        }
                        it.let_go("cut in the middle of its response");
                        it.conn.breaks_off();
                        *this.in_flight = None;
                        Poll::Ready(Some(Err(Cut.into())))
                    }
                    _ => Poll::Pending,
                },
            },
            InnerProj::Text { text } => match std::mem::take(text) {
                "" => Poll::Ready(None),
                text => Poll::Ready(Some(Ok(Frame::data(Data {
                    bytes: Either::Text(text.into()),
                    _in_flight: this.in_flight.take(),
                })))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Handlers { body } => body.is_end_stream(),
            Inner::Text { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Handlers { body } => body.size_hint(),
            Inner::Text { text } => SizeHint::with_exact(text.len() as u64),
        }
    }
}
