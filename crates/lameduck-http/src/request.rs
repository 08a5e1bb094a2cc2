//! One request: in the ledger from its first line to the last byte of its response, told to
//! `Connection: close` once the shutdown has begun, answered honestly when the time is over.
//!
//! # What must hold
//!
//! 1. A request is in the ledger exactly while its handler runs or its response is under way.
//! 2. Every HTTP/1.x response that begins after the shutdown has begun says `Connection: close`,
//!    unless it is an upgrade.
//! 3. When the time for draining is over, a request whose response has not begun is answered
//!    `503` with `Retry-After`, and one whose response has begun is cut; both by name in the
//!    report. A gRPC call is told `UNAVAILABLE` in either case.
//! 4. A handler that panics is answered `500`, or `INTERNAL` over gRPC; neither the connection nor
//!    the process suffers. A body that panics or fails is broken off, so that its client sees it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER};
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use tracing::Level;

use super::Accounted;
use super::answering::Answering;
use super::body::TrackedBody;
use super::conn::{Conn, Follows, ResponseEnd};
use super::connection_info::ConnectionInfo;
use super::ending::Ending;
use super::events::EventStreams;
use super::extension::OfConnection;
#[cfg(feature = "axum")]
use super::for_axum;
#[cfg(feature = "tonic")]
use super::for_tonic;
use super::grpc::{Dialect, Status};
use super::in_flight::{InFlight, LetGo, time_is_over};
use super::probers::is_of_a_prober;
use super::request_name::name_of;
use super::tunnel::Tunnel;
use lameduck_core::BoxError;
use lameduck_core::inflight::kind::REQUEST;
use lameduck_core::internal::panic_text;
use lameduck_core::internal::redact::without_passwords;
use lameduck_core::internal::voice;

/// The user's service with the bookkeeping round it.
pub(super) struct Tracked<S> {
    service: S,
    conn: Arc<Conn>,
    event_streams: EventStreams,
    carries: Carries,
}

/// How requests are treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestSettings {
    pub(crate) event_streams: EventStreams,
    /// Whether each has a [`ConnectionInfo`] in its extensions.
    pub(crate) connection_info: bool,
}

/// What a request has in its extensions. The first thing in there costs as much as 5 % of a small request.
#[derive(Clone, Copy)]
enum Carries {
    Nothing,
    /// Whose it is.
    Handle,
    /// What it came on, and with that whose it is.
    Info,
}

impl<S> Tracked<S> {
    pub(super) fn new(service: S, conn: Arc<Conn>, settings: RequestSettings) -> Self {
        Tracked {
            service,
            carries: match settings.connection_info {
                true => Carries::Info,
                false if conn.handle().is_of_the_process() => Carries::Nothing,
                false => Carries::Handle,
            },
            conn,
            event_streams: settings.event_streams,
        }
    }

    /// Puts into a request's extensions what is asked for.
    #[cold]
    fn inform(&self, extensions: &mut Extensions) {
        let info = ConnectionInfo(self.conn.clone());
        match self.carries {
            Carries::Nothing => {}
            Carries::Handle => drop(extensions.insert(OfConnection(info.0))),
            Carries::Info => {
                #[cfg(feature = "axum")]
                for_axum::insert_into(extensions, &info);
                extensions.insert(info);
            }
        }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Tracked<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<TrackedBody<B>>;
    type Error = BoxError;
    type Future = Responding<Answering<S>, B>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let handle = self.conn.handle();
        if !matches!(self.carries, Carries::Nothing) {
            self.inform(request.extensions_mut());
        }
        let since = self.conn.request_began(follows(request.body()));
        handle
            .traffic()
            .request(since, |own| is_of_a_prober(&request, own));
        let name = name_of(&request);
        let in_flight = InFlight::new(self.conn.clone(), name, since);
        let dialect = Dialect::of(&request);
        #[cfg(feature = "tonic")]
        if dialect == Dialect::Grpc {
            for_tonic::insert_into(request.extensions_mut(), &self.conn);
        }
        Responding {
            // HTTP/1 requests live in the connection's task, which the sweep wakes. HTTP/2 streams
            // are tasks of their own.
            let_go: (!dialect.is_http1()).then(|| LetGo::new(handle)),
            connect: request.method() == Method::CONNECT,
            may_be_cut_off: !dialect.is_http1() && !request.body().is_end_stream(),
            held: None,
            handler: Answering::of(self.service.clone(), request),
            in_flight: Some(in_flight),
            event_streams: self.event_streams,
            dialect,
        }
    }
}

/// What comes behind the head.
#[inline]
fn follows(body: &Incoming) -> Follows {
    if body.is_end_stream() {
        return Follows::Nothing;
    }
    match body.size_hint().exact() {
        Some(length) => Follows::Bytes(length),
        None => Follows::Chunks,
    }
}

pin_project! {
    /// A request in its handler.
    pub(super) struct Responding<F, B> {
        #[pin]
        handler: F,
        in_flight: Option<InFlight>,
        let_go: Option<LetGo>,
        event_streams: EventStreams,
        dialect: Dialect,
        connect: bool,
        // Whether its stream may be reset while the handler reads its body.
        may_be_cut_off: bool,
        // What the handler has answered, for the next turn.
        held: Option<Box<Response<B>>>,
    }
}

impl<F, B, E> Future for Responding<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<TrackedBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(in_flight) = this.in_flight else {
            return Poll::Pending;
        };
        let handler = this.handler;
        // Written from within the closure: what it returns would be copied.
        let mut polled = Poll::Pending;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            polled = match this.held.take() {
                Some(response) => Poll::Ready(Ok(*response)),
                None => handler.poll(cx),
            }
        }));
        let mut ours = if let Err(panic) = caught {
            let journal = in_flight.handle().journal();
            journal.panicked(REQUEST, in_flight.name(), panic_text(&*panic));
            internal_error(*this.dialect)
        } else {
            match polled {
                Poll::Ready(Ok(response)) if *this.may_be_cut_off && is_error(&response) => {
                    // It may be an error because the peer has reset the stream. If so hyper has not looked
                    // yet, and drops the request in another turn.
                    *this.may_be_cut_off = false;
                    *this.held = Some(Box::new(response));
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(mut response)) => {
                    let upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS
                        || (*this.connect && response.status().is_success());
                    if upgrade {
                        let accounted = response.extensions().get::<Accounted>().is_some();
                        let track = || in_flight.handle().track("upgrade", in_flight.name());
                        if this.dialect.is_http1() {
                            in_flight.conn.upgraded((!accounted).then(track));
                        } else {
                            Tunnel::opens(&in_flight.conn, track());
                        }
                    } else {
                        say_close(&mut response, *this.dialect, in_flight);
                    }
                    if upgrade || (!this.dialect.is_http1() && response.body().is_end_stream()) {
                        in_flight.end = ResponseEnd::Taken;
                    }
                    if *this.dialect == Dialect::Http10 {
                        in_flight.conn.until_close(has_no_length(&response));
                    }
                    let events = this.event_streams.of(&response, in_flight.handle());
                    let (in_flight, let_go) = (this.in_flight.take(), this.let_go.take());
                    let body = |body| Ending::of(body, events);
                    let dialect = *this.dialect;
                    let tunnel = upgrade && !dialect.is_http1();
                    let tracked =
                        |it| TrackedBody::of(body(it), in_flight, let_go, dialect, tunnel);
                    return Poll::Ready(Ok(response.map(tracked)));
                }
                Poll::Pending if time_is_over(in_flight.handle(), this.let_go, cx) => {
                    let (why, answer) = unavailable(*this.dialect);
                    in_flight.let_go(why);
                    answer
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    let (name, error) = (in_flight.name(), error.into().to_string());
                    let error = without_passwords(&error).into_owned();
                    voice::event(Level::ERROR, move || {
                        tracing::error!(target: "lameduck", request = %name, error, "handler failed");
                    });
                    internal_error(*this.dialect)
                }
            }
        };
        say_close(&mut ours, *this.dialect, in_flight);
        let in_flight = this.in_flight.take();
        Poll::Ready(Ok(ours.map(|text| TrackedBody::text(text, in_flight))))
    }
}

/// Once the shutdown has begun, tells an HTTP/1.x peer that this connection has no future.
fn say_close<B>(response: &mut Response<B>, dialect: Dialect, in_flight: &InFlight) {
    if dialect.is_http1() && in_flight.handle().has_begun() {
        in_flight.conn.says_close();
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether it says that something is wrong with the request, or went wrong with it.
#[inline]
pub(super) fn is_error<B>(response: &Response<B>) -> bool {
    response.status().as_u16() >= 400
}

/// Whether an answer to HTTP/1.0 ends with its connection.
fn has_no_length<B: Body>(response: &Response<B>) -> bool {
    response.body().size_hint().exact().is_none()
        && !response.headers().contains_key(CONTENT_LENGTH)
}

fn internal_error(dialect: Dialect) -> Response<&'static str> {
    if dialect == Dialect::Grpc {
        return Status::Internal.answer();
    }
    let mut response = Response::new("internal server error\n");
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// What a request is told whose time is over, and what the report says of that.
fn unavailable(dialect: Dialect) -> (&'static str, Response<&'static str>) {
    if dialect == Dialect::Grpc {
        let why = "not answered in time, so answered UNAVAILABLE";
        return (why, Status::Unavailable.answer());
    }
    let mut response = Response::new("shutting down, try again\n");
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    ("not answered in time, so answered 503", response)
}
