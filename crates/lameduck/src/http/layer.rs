//! A `tower::Layer` for those who keep their own server: every request that passes is in the
//! ledger until the last byte of its response has been taken, and once the shutdown has begun
//! every HTTP/1.x response says `Connection: close` and event streams end on an event boundary.
//!
//! What a layer cannot do is the work of the socket: listeners, idle connections, the last FIN.
//! `docs/promises.md` says which promises hold with it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::ending::{Chunk, Ending};
use super::events::EventStreams;
use crate::handle::Handle;
use crate::inflight::{Guard, Name};

/// Tracks every request of the service it wraps. Made by [`Handle::layer`].
#[derive(Clone, Debug)]
pub struct TrackLayer {
    handle: Handle,
    event_streams: EventStreams,
}

impl TrackLayer {
    /// How event streams end when the shutdown drains: on an event boundary, with a `retry:` of 1 s to
    /// 3 s unless told.
    pub fn event_streams(mut self, settings: EventStreams) -> Self {
        self.event_streams = settings;
        self
    }
}

impl Handle {
    /// A `tower::Layer` that enters every request in the ledger, for servers that are not started
    /// by [`Lifecycle::http`](crate::Lifecycle::http).
    pub fn layer(&self) -> TrackLayer {
        self.traffic().sees_requests();
        TrackLayer {
            handle: self.clone(),
            event_streams: EventStreams::new(),
        }
    }
}

impl<S> Layer<S> for TrackLayer {
    type Service = Track<S>;

    fn layer(&self, inner: S) -> Track<S> {
        Track {
            inner,
            handle: self.handle.clone(),
            event_streams: self.event_streams,
        }
    }
}

/// The service that [`TrackLayer`] makes.
#[derive(Clone, Debug)]
pub struct Track<S> {
    inner: S,
    handle: Handle,
    event_streams: EventStreams,
}

impl<S, R, B> Service<Request<R>> for Track<S>
where
    S: Service<Request<R>, Response = Response<B>>,
{
    type Response = Response<TrackBody<B>>;
    type Error = S::Error;
    type Future = TrackFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<R>) -> Self::Future {
        request.extensions_mut().insert(self.handle.clone());
        let now = crate::clock::Millis::now();
        self.handle.traffic().request(&request, now);
        let name = Name::of_request(request.method(), request.uri());
        TrackFuture {
            guard: Some(self.handle.track("request", name)),
            http1: request.version() <= Version::HTTP_11,
            handle: self.handle.clone(),
            event_streams: self.event_streams,
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The response on its way; made by [`Track`].
    #[derive(Debug)]
    pub struct TrackFuture<F> {
        #[pin]
        inner: F,
        guard: Option<Guard>,
        handle: Handle,
        event_streams: EventStreams,
        http1: bool,
    }
}

impl<F, B, E> Future for TrackFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TrackBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if *this.http1
            && response.status() != StatusCode::SWITCHING_PROTOCOLS
            && this.handle.has_begun()
        {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let guard = this.guard.take();
        let events = this.event_streams.of_any(&response, this.handle);
        Poll::Ready(Ok(response.map(|body| TrackBody {
            inner: Ending::of(body, events),
            guard,
        })))
    }
}

pin_project! {
    /// A response's body that keeps its request in the ledger; made by [`Track`].
    #[derive(Debug)]
    pub struct TrackBody<B> {
        #[pin]
        inner: Ending<B>,
        guard: Option<Guard>,
    }
}

impl<B: Body> Body for TrackBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = ready!(self.project().inner.poll_frame(cx)?);
        Poll::Ready(polled.map(|frame| Ok(frame.map_data(Chunk::into_bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for TrackBody<B> {
    fn default() -> Self {
        TrackBody {
            inner: Ending::default(),
            guard: None,
        }
    }
}
