//! A `tower::Layer` for those who keep their own server: every request that passes is in the
//! ledger until the last byte of its response has been taken, and once the shutdown has begun
//! every HTTP/1.x response says `Connection: close` and event streams end on an event boundary.
//!
//! A body that panics or fails is told as by our own server ([`broken`](crate::request::body_fault)). Whether a client
//! went away is seen by what the server drops before its end; so whatever is outside of the layer and
//! gives requests up, such as a time-out, looks the same.
//!
//! What a layer cannot do is the work of the socket: listeners, idle connections, the last FIN.
//! `docs/promises.md` says which promises hold with it.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::connection::conn::ResponseEnd;
use crate::event_stream::body::{Chunk, EventStreamBody};
use crate::event_stream::events::EventStreams;
use crate::grpc::status::{Dialect, ServerStatus};
use crate::request::body_fault::{BodyFault, guarded};
use crate::request::probers::is_of_a_prober;
use crate::request::request_name::track;
use crate::request::tracked_service::is_error;
use lameduck_core::BoxError;
use lameduck_core::Handle;
use lameduck_core::inflight::kind::{BROKEN, CLIENT_GONE, REQUEST};
use lameduck_core::inflight::{Guard, Name};
use lameduck_core::internal::panic_text;

/// Tracks every request of the service it wraps. For servers that are not
/// ours: [`Http`](crate::Http) does the same by itself.
#[derive(Clone, Debug)]
pub struct TrackLayer {
    handle: Handle,
    event_streams: EventStreams,
}

impl TrackLayer {
    /// A layer for this shutdown.
    pub fn new(handle: &Handle) -> TrackLayer {
        handle.traffic().sees_requests();
        TrackLayer {
            handle: handle.clone(),
            event_streams: EventStreams::new(),
        }
    }

    /// How event streams end when the shutdown drains. Default: on an event boundary, with a `retry:` of 1 s to
    /// 3 s.
    pub fn event_streams(mut self, settings: EventStreams) -> Self {
        self.event_streams = settings;
        self
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
        let now = lameduck_core::internal::clock::Millis::now();
        let traffic = self.handle.traffic();
        traffic.request(now, |own| is_of_a_prober(&request, own));
        TrackFuture {
            passing: Some(Passing {
                guard: Some(track(&self.handle, &request, now)),
                end: ResponseEnd::Early,
                asked: AtomicBool::new(false),
            }),
            dialect: Dialect::of(&request),
            may_be_cut_off: !matches!(*request.method(), Method::GET | Method::HEAD),
            held: None,
            bodiless: matches!(*request.method(), Method::HEAD | Method::CONNECT),
            handle: self.handle.clone(),
            event_streams: self.event_streams,
            inner: self.inner.call(request),
        }
    }
}

/// A request in the ledger, and how it ends.
#[derive(Debug)]
struct Passing {
    guard: Option<Guard>,
    end: ResponseEnd,
    /// Whether the server was told that the response has ended, so that it need not ask for the rest.
    asked: AtomicBool,
}

impl Passing {
    fn name(&self) -> Option<Name> {
        self.guard.as_ref().map(|it| it.entry().name)
    }

    fn panicked(&mut self, handle: &Handle, message: &str) {
        self.end = ResponseEnd::Broken;
        if let Some(name) = self.name() {
            handle.journal().panicked(REQUEST, name, message);
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else {
            return;
        };
        match self.end {
            ResponseEnd::Broken => guard.end_as(BROKEN),
            ResponseEnd::Early if !self.asked.load(Relaxed) => guard.end_as(CLIENT_GONE),
            _ => drop(guard),
        }
    }
}

pin_project! {
    /// The response on its way; made by [`Track`].
    pub struct TrackFuture<F>
    where
        F: Future,
    {
        #[pin]
        inner: F,
        passing: Option<Passing>,
        handle: Handle,
        event_streams: EventStreams,
        dialect: Dialect,
        bodiless: bool,
        // Whether its client may have gone while the handler read its body.
        may_be_cut_off: bool,
        // What the handler has answered, for the next turn.
        held: Option<Box<F::Output>>,
    }
}

impl<F: Future> fmt::Debug for TrackFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackFuture").finish_non_exhaustive()
    }
}

impl<F, B, E> Future for TrackFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TrackBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner;
        let caught = catch_unwind(AssertUnwindSafe(|| match this.held.take() {
            Some(answer) => Poll::Ready(*answer),
            None => inner.poll(cx),
        }));
        let polled = match caught {
            Ok(polled) => ready!(polled),
            Err(panic) => {
                if let Some(it) = this.passing {
                    it.panicked(this.handle, panic_text(&*panic));
                }
                // What comes of it is the server's affair.
                resume_unwind(panic)
            }
        };
        if let Ok(response) = &polled
            && *this.may_be_cut_off
            && is_error(response)
        {
            // It may be an error because the client has gone. If so the server has not looked yet, and drops
            // the request in another turn.
            *this.may_be_cut_off = false;
            *this.held = Some(Box::new(polled));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut passing = this.passing.take();
        let mut response = match polled {
            Ok(response) => response,
            Err(error) => {
                whole(&mut passing);
                return Poll::Ready(Err(error));
            }
        };
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if this.dialect.is_http1() && !switches && this.handle.is_shutting_down() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let left = match response.status() {
            // No server asks for such a body (RFC 9110, 6.4.1).
            _ if *this.bodiless => Some(0),
            StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {
                Some(0)
            }
            _ => content_length(&response),
        };
        if left == Some(0) {
            whole(&mut passing);
        }
        let events = this.event_streams.of_any(&response, this.handle);
        let (handle, dialect) = (this.handle.clone(), *this.dialect);
        Poll::Ready(Ok(response.map(|body| TrackBody {
            inner: LayerBody::Handlers {
                body: EventStreamBody::of(body, None, events),
            },
            passing,
            handle: Some(handle),
            left,
            asked_length: left.is_some(),
            dialect,
        })))
    }
}

fn content_length<B>(response: &Response<B>) -> Option<u64> {
    let value = response.headers().get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The server has all of a response.
fn whole(passing: &mut Option<Passing>) {
    if let Some(it) = passing {
        it.end = ResponseEnd::Taken;
    }
}

/// What ends a response's body before its end: it has panicked, or ended with an error of its own.
#[derive(Debug, thiserror::Error)]
#[error("the response broke off: {0}")]
pub struct TrackBodyError(BodyFault);

pin_project! {
    /// A response's body that keeps its request in the ledger; made by [`Track`].
    #[derive(Debug)]
    pub struct TrackBody<B> {
        #[pin]
        inner: LayerBody<B>,
        passing: Option<Passing>,
        handle: Option<Handle>,
        // How many bytes are still to come, if the response has said.
        left: Option<u64>,
        asked_length: bool,
        dialect: Dialect,
    }
}

pin_project! {
    #[project = LayerBodyProj]
    #[derive(Debug)]
    enum LayerBody<B> {
        Handlers { #[pin] body: EventStreamBody<B> },
        // It is not polled again. The next turn says why.
        Broken { fault: Option<BodyFault> },
    }
}

impl<B> Body for TrackBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = TrackBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TrackBodyError>>> {
        let mut this = self.project();
        let mut body = match this.inner.as_mut().project() {
            LayerBodyProj::Handlers { body } => body,
            LayerBodyProj::Broken { fault } => {
                let Some(fault) = fault.take() else {
                    return Poll::Ready(None);
                };
                if let (Some(mut it), Some(handle)) = (this.passing.take(), this.handle) {
                    it.end = ResponseEnd::Broken;
                    if let Some(name) = it.name() {
                        fault.tell_error(handle, name);
                    }
                }
                return Poll::Ready(Some(match this.dialect {
                    Dialect::Grpc => Ok(Frame::trailers(ServerStatus::Internal.trailers())),
                    _ => Err(TrackBodyError(fault)),
                }));
            }
        };
        let mut polled = Poll::Pending;
        let caught = guarded(|| {
            // What the server takes for the length as well, after which it asks for nothing more.
            if !std::mem::replace(this.asked_length, true) {
                *this.left = body.size_hint().exact();
            }
            polled = body.as_mut().poll_frame(cx);
        });
        let fault = match (caught, polled) {
            (Err(fault), _) => fault,
            (Ok(()), Poll::Pending) => return Poll::Pending,
            (Ok(()), Poll::Ready(Some(Err(error)))) => BodyFault::of(&error.into()),
            (Ok(()), Poll::Ready(None)) => {
                whole(this.passing);
                return Poll::Ready(None);
            }
            (Ok(()), Poll::Ready(Some(Ok(frame)))) => {
                let frame = frame.map_data(Chunk::into_bytes);
                let bytes = frame.data_ref().map(|it| it.len() as u64);
                if let (Some(left), Some(bytes)) = (&mut *this.left, bytes) {
                    *left = left.saturating_sub(bytes);
                }
                if bytes.is_none() || *this.left == Some(0) {
                    whole(this.passing);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
        };
        if let (Some(it), Some(handle)) = (&*this.passing, this.handle) {
            fault.tell_panic(handle, || it.name());
        }
        // What has panicked may panic again when it is dropped.
        let broken = LayerBody::Broken { fault: Some(fault) };
        let _ = guarded(|| this.inner.set(broken));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let ended = match &self.inner {
            LayerBody::Handlers { body } => body.is_end_stream(),
            LayerBody::Broken { fault } => fault.is_none(),
        };
        if let (true, Some(it)) = (ended, &self.passing) {
            it.asked.store(true, Relaxed);
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            LayerBody::Handlers { body } => body.size_hint(),
            LayerBody::Broken { .. } => SizeHint::default(),
        }
    }
}

impl<B: Default> Default for TrackBody<B> {
    fn default() -> Self {
        TrackBody {
            inner: LayerBody::Handlers {
                body: EventStreamBody::default(),
            },
            passing: None,
            handle: None,
            left: None,
            asked_length: true,
            dialect: Dialect::Http1,
        }
    }
}
