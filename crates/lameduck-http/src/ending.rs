//! The handler's body, ended early if it is an event stream and the shutdown drains.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::events::{EventStream, Piece};

pin_project! {
    /// The handler's body, and what ends it.
    #[derive(Debug)]
    pub(super) struct Ending<B> {
        #[pin]
        body: B,
        // Boxed, since few responses are event streams.
        events: Option<Box<EventStream>>,
        ended: bool,
    }
}

impl<B> Ending<B> {
    pub(super) fn of(body: B, events: Option<Box<EventStream>>) -> Ending<B> {
        Ending {
            body,
            events,
            ended: false,
        }
    }
}

impl<B: Default> Default for Ending<B> {
    fn default() -> Self {
        Ending::of(B::default(), None)
    }
}

/// The handler's data, or a part of it with the end of the stream.
pub(super) enum Chunk<D> {
    Handlers(D),
    Events(Bytes),
}

impl<D: Buf> Chunk<D> {
    /// The same as bytes; without copying if it is bytes already.
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Chunk::Handlers(mut d) => d.copy_to_bytes(d.remaining()),
            Chunk::Events(bytes) => bytes,
        }
    }
}

impl<D: Buf> Buf for Chunk<D> {
    #[inline]
    fn remaining(&self) -> usize {
        match self {
            Chunk::Handlers(d) => d.remaining(),
            Chunk::Events(d) => d.remaining(),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match self {
            Chunk::Handlers(d) => d.chunk(),
            Chunk::Events(d) => d.chunk(),
        }
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        match self {
            Chunk::Handlers(d) => d.chunks_vectored(dst),
            Chunk::Events(d) => d.chunks_vectored(dst),
        }
    }

    #[inline]
    fn advance(&mut self, cnt: usize) {
        match self {
            Chunk::Handlers(d) => d.advance(cnt),
            Chunk::Events(d) => d.advance(cnt),
        }
    }
}

impl<B: Body> Body for Ending<B> {
    type Data = Chunk<B::Data>;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        if let Some(last) = this.events.as_mut().and_then(|it| it.end(cx)) {
            *this.ended = true;
            let frame = Frame::data(Chunk::Events(last.clone()));
            return Poll::Ready((!last.is_empty()).then_some(Ok(frame)));
        }
        let Some(frame) = ready!(this.body.poll_frame(cx)?) else {
            return Poll::Ready(None);
        };
        let Some(events) = this.events else {
            return Poll::Ready(Some(Ok(frame.map_data(Chunk::Handlers))));
        };
        Poll::Ready(Some(Ok(frame.map_data(|data| {
            let bytes = Chunk::Handlers(data).into_bytes();
            Chunk::Events(match events.pass(bytes, cx) {
                Piece::Next(bytes) => bytes,
                Piece::Last(bytes) => {
                    *this.ended = true;
                    bytes
                }
            })
        }))))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match self.events {
            None => self.body.size_hint(),
            // It may end sooner, and with more than the handler has said.
            Some(_) => SizeHint::default(),
        }
    }
}
