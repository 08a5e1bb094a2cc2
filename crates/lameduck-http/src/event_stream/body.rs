//! The handler's body, ended early if it is an event stream and the shutdown drains.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::events::{EventStreamState, StreamPiece};

pin_project! {
    /// The handler's body, and what ends it.
    #[derive(Debug)]
    pub(crate) struct EventStreamBody<B> {
        #[pin]
        body: B,
        // Boxed, since few responses are event streams.
        events: Option<Box<EventStreamState>>,
        // How much there is of it, if that is known and nothing has been given yet: to ask it again is a call.
        length: Option<u64>,
        ended: bool,
    }
}

impl<B> EventStreamBody<B> {
    pub(crate) fn of(
        body: B,
        length: Option<u64>,
        events: Option<Box<EventStreamState>>,
    ) -> EventStreamBody<B> {
        EventStreamBody {
            body,
            events,
            length,
            ended: false,
        }
    }
}

impl<B: Default> Default for EventStreamBody<B> {
    fn default() -> Self {
        EventStreamBody::of(B::default(), None, None)
    }
}

/// The handler's data; or ours, a part of it with the end of the stream.
pub(crate) enum Chunk<D> {
    Handlers(D),
    Ours(Bytes),
}

impl<D: Buf> Chunk<D> {
    /// The same as bytes; without copying if it is bytes already.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Chunk::Handlers(mut d) => d.copy_to_bytes(d.remaining()),
            Chunk::Ours(bytes) => bytes,
        }
    }
}

impl<D: Buf> Buf for Chunk<D> {
    #[inline]
    fn remaining(&self) -> usize {
        match self {
            Chunk::Handlers(d) => d.remaining(),
            Chunk::Ours(d) => d.remaining(),
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match self {
            Chunk::Handlers(d) => d.chunk(),
            Chunk::Ours(d) => d.chunk(),
        }
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        match self {
            Chunk::Handlers(d) => d.chunks_vectored(dst),
            Chunk::Ours(d) => d.chunks_vectored(dst),
        }
    }

    #[inline]
    fn advance(&mut self, cnt: usize) {
        match self {
            Chunk::Handlers(d) => d.advance(cnt),
            Chunk::Ours(d) => d.advance(cnt),
        }
    }
}

/// What a body came to when it was polled.
pub(crate) enum BodyPoll<E> {
    /// Data or trailers.
    Frame,
    End,
    Error(E),
    Pending,
}

impl<B: Body> EventStreamBody<B> {
    /// Whether there is nothing behind what it has given. Remembered, since it is asked for again.
    #[inline]
    pub(crate) fn is_over(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        *this.ended = *this.ended || this.body.is_end_stream();
        *this.ended
    }

    /// Polls it. What it gives is written to where it stays: a frame has room for trailers, and is copied as a whole.
    #[inline]
    pub(crate) fn poll_into(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &mut Option<Chunk<B::Data>>,
        trailers: &mut Option<HeaderMap>,
    ) -> BodyPoll<B::Error> {
        let this = self.project();
        if *this.ended {
            return BodyPoll::End;
        }
        *this.length = None;
        if let Some(last) = this.events.as_mut().and_then(|it| it.end(cx)) {
            *this.ended = true;
            if last.is_empty() {
                return BodyPoll::End;
            }
            *data = Some(Chunk::Ours(last.clone()));
            return BodyPoll::Frame;
        }
        let frame = match this.body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => return BodyPoll::Error(error),
            Poll::Ready(None) => return BodyPoll::End,
            Poll::Pending => return BodyPoll::Pending,
        };
        match (frame.into_data(), this.events) {
            (Ok(given), None) => *data = Some(Chunk::Handlers(given)),
            (Ok(given), Some(events)) => {
                let bytes = Chunk::Handlers(given).into_bytes();
                *data = Some(Chunk::Ours(match events.pass(bytes, cx) {
                    StreamPiece::Next(bytes) => bytes,
                    StreamPiece::Last(bytes) => {
                        *this.ended = true;
                        bytes
                    }
                }));
            }
            (Err(frame), _) => *trailers = frame.into_trailers().ok(),
        }
        BodyPoll::Frame
    }
}

impl<B: Body> Body for EventStreamBody<B> {
    type Data = Chunk<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let (mut data, mut trailers) = (None, None);
        match self.poll_into(cx, &mut data, &mut trailers) {
            BodyPoll::Frame => {
                let data = data.map(Frame::data);
                let frame = data.or_else(|| trailers.map(Frame::trailers));
                Poll::Ready(frame.map(Ok))
            }
            BodyPoll::End => Poll::Ready(None),
            BodyPoll::Error(error) => Poll::Ready(Some(Err(error))),
            BodyPoll::Pending => Poll::Pending,
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match (&self.events, self.length) {
            // It may end sooner, and with more than the handler has said.
            (Some(_), _) => SizeHint::default(),
            (None, Some(length)) => SizeHint::with_exact(length),
            (None, None) => self.body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::Full;

    use super::*;

    #[test]
    fn a_length_that_is_known_holds_until_something_was_given() {
        let mut body = EventStreamBody::of(Full::new(Bytes::from("hello")), Some(5), None);
        let mut body = Pin::new(&mut body);
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!body.as_mut().is_over());
        let mut cx = Context::from_waker(Waker::noop());
        let polled = body.as_mut().poll_frame(&mut cx);
        assert!(matches!(polled, Poll::Ready(Some(Ok(_)))));
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.as_mut().is_over() && body.is_end_stream());
    }
}
