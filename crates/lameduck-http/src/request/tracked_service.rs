//! One request: in the ledger from its first line to the last byte of its response, told to
//! `Connection: close` once the shutdown has begun, answered honestly when the time is over.
//!
//! # What must hold
//!
//! 1. A request is in the ledger exactly while its handler runs or its response is under way.
//! 2. Every HTTP/1.x response that begins after the shutdown has begun, or after somebody has asked for the end of
//!    its connection, says `Connection: close`, unless it is an upgrade.
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
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use tracing::Level;

use super::extension::Accounted;
use super::extension::OfConnection;
use super::in_flight::{DrainDeadline, InFlight, time_is_over};
use super::probers::is_of_a_prober;
use super::service_call::ServiceCall;
use super::tracked_body::TrackedBody;
use crate::connection::conn::{Conn, Follows, ResponseEnd};
use crate::connection::connection_info::ConnectionInfo;
#[cfg(feature = "axum")]
use crate::connection::for_axum;
#[cfg(feature = "tonic")]
use crate::connection::for_tonic;
use crate::connection::tunnel::Tunnel;
use crate::event_stream::body::EventStreamBody;
use crate::grpc::status::{Dialect, ServerStatus};
use lameduck_core::BoxError;
use lameduck_core::inflight::kind::REQUEST;
use lameduck_core::internal::panic_text;
use lameduck_core::internal::redact::without_passwords;
use lameduck_core::internal::voice;

/// The user's service with the bookkeeping round it.
pub(crate) struct TrackedService<S> {
    service: S,
    conn: Arc<Conn>,
    carries: Carries,
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

impl<S> TrackedService<S> {
    pub(crate) fn new(service: S, conn: Arc<Conn>) -> Self {
        TrackedService {
            service,
            carries: match conn.of_requests().connection_info {
                true => Carries::Info,
                false if conn.handle().is_of_the_process() => Carries::Nothing,
                false => Carries::Handle,
            },
            conn,
        }
    }
}

impl Carries {
    /// Puts into a request's extensions what is asked for.
    #[cold]
    fn insert_into(self, extensions: &mut Extensions, conn: &Arc<Conn>) {
        let info = ConnectionInfo(conn.clone());
        match self {
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

/// Looks at a request whose head is whole, and enters it into the ledger. Says how it is to be spoken to, and whether it
/// asks for a tunnel.
#[inline(never)]
fn begin(
    request: &mut Request<Incoming>,
    in_flight: &mut InFlight,
    carries: Carries,
) -> (Dialect, bool) {
    let since = in_flight.begin(request, follows(request.body()));
    let traffic = in_flight.handle().traffic();
    traffic.request(since, |own| is_of_a_prober(request, own));
    let dialect = Dialect::of(request);
    if !matches!(carries, Carries::Nothing) {
        carries.insert_into(request.extensions_mut(), &in_flight.conn);
    }
    #[cfg(feature = "tonic")]
    if dialect == Dialect::Grpc {
        for_tonic::insert_into(request.extensions_mut(), &in_flight.conn);
    }
    (dialect, request.method() == Method::CONNECT)
}

impl<S> TrackedService<S>
where
    S: Service<Request<Incoming>> + Clone,
{
    /// A request of HTTP/2, which is polled in a task of its own at some later time.
    #[inline(never)]
    fn call_stream<B>(&self, request: Request<Incoming>) -> Responding<S, B> {
        let mut responding = self.call_unseen(request);
        if let (Some(request), Some(in_flight)) =
            (responding.handler.asked(), &mut responding.in_flight)
        {
            let (dialect, connect) = begin(request, in_flight, self.carries);
            responding.dialect = dialect;
            responding.connect = connect;
            responding.may_be_cut_off = !request.body().is_end_stream();
            responding.let_go = Some(DrainDeadline::new(self.conn.handle()));
            responding.seen = true;
        }
        responding
    }

    /// A request of HTTP/1.x, which is polled in this very turn, and begins there. Had it been lent to anybody by then, or
    /// were more done in here, it would be moved in more steps, each of which copies some hundred bytes.
    #[inline(always)]
    fn call_unseen<B>(&self, request: Request<Incoming>) -> Responding<S, B> {
        Responding {
            handler: ServiceCall::of(self.service.clone(), request),
            in_flight: Some(InFlight::new(self.conn.clone())),
            let_go: None,
            carries: self.carries,
            seen: false,
            dialect: Dialect::Http1,
            connect: false,
            may_be_cut_off: false,
            held: None,
        }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for TrackedService<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Response = Response<TrackedBody<B>>;
    type Error = BoxError;
    type Future = Responding<S, B>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        match request.version() >= Version::HTTP_2 {
            true => self.call_stream(request),
            false => self.call_unseen(request),
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
    pub(crate) struct Responding<S, B>
    where
        S: Service<Request<Incoming>>,
    {
        #[pin]
        handler: ServiceCall<S>,
        in_flight: Option<InFlight>,
        let_go: Option<DrainDeadline>,
        carries: Carries,
        // Whether somebody has looked at the request, which is in the ledger since then.
        seen: bool,
        dialect: Dialect,
        connect: bool,
        // Whether its stream may be reset while the handler reads its body.
        may_be_cut_off: bool,
        // What the handler has answered, for the next turn.
        held: Option<Box<Response<B>>>,
    }
}

impl<S, B> Future for Responding<S, B>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<TrackedBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(in_flight) = this.in_flight else {
            return Poll::Pending;
        };
        let mut handler = this.handler;
        if !*this.seen
            && let Some(request) = handler.as_mut().get_asked()
        {
            *this.seen = true;
            (*this.dialect, *this.connect) = begin(request, in_flight, *this.carries);
        }
        let mut polled = match this.held.take() {
            None => catch_unwind(AssertUnwindSafe(|| handler.poll(cx))),
            Some(response) => Ok(Poll::Ready(Ok(*response))),
        };
        if let Ok(Poll::Ready(Ok(response))) = &mut polled
            && !(*this.may_be_cut_off && is_error(response))
        {
            // In place: each copy of a response shows.
            let (dialect, connect) = (*this.dialect, *this.connect);
            let tunnel = answered(response, in_flight, dialect, connect);
            let length = response.body().size_hint().exact();
            let settings = in_flight.conn.of_requests().event_streams;
            let events = settings.of(response, length, in_flight.handle());
            let Ok(Poll::Ready(Ok(response))) = polled else {
                return Poll::Pending;
            };
            return Poll::Ready(Ok(response.map(|body| {
                let body = EventStreamBody::of(body, length, events);
                let (in_flight, let_go) = (this.in_flight.take(), this.let_go.take());
                TrackedBody::of(body, in_flight, let_go, dialect, tunnel)
            })));
        }
        let mut ours = match polled {
            Ok(Poll::Ready(Ok(response))) => {
                // It may be an error because the peer has reset the stream. If so hyper has not looked
                // yet, and drops the request in another turn.
                *this.may_be_cut_off = false;
                *this.held = Some(Box::new(response));
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Ok(Poll::Pending) if time_is_over(in_flight.handle(), this.let_go, cx) => {
                let (why, answer) = unavailable(*this.dialect);
                in_flight.let_go(why);
                answer
            }
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Err(error))) => {
                failed(&error.into(), in_flight);
                internal_error(*this.dialect)
            }
            Err(panic) => {
                let journal = in_flight.handle().journal();
                journal.panicked(REQUEST, in_flight.name(), panic_text(&*panic));
                internal_error(*this.dialect)
            }
        };
        say_close(&mut ours, *this.dialect, in_flight);
        let in_flight = this.in_flight.take();
        Poll::Ready(Ok(ours.map(|text| TrackedBody::text(text, in_flight))))
    }
}

/// The handler has failed.
#[cold]
fn failed(error: &BoxError, in_flight: &InFlight) {
    let (name, error) = (in_flight.name(), error.to_string());
    let error = without_passwords(&error).into_owned();
    voice::event(Level::ERROR, move || {
        tracing::error!(target: "lameduck", request = %name, error, "handler failed");
    });
}

/// What an answer means for its connection. Says whether it opens a tunnel over HTTP/2.
#[inline]
fn answered<B: Body>(
    response: &mut Response<B>,
    in_flight: &mut InFlight,
    dialect: Dialect,
    connect: bool,
) -> bool {
    let upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS
        || (connect && response.status().is_success());
    if upgrade {
        let accounted = response.extensions().get::<Accounted>().is_some();
        let track = || in_flight.handle().track("upgrade", in_flight.name());
        if dialect.is_http1() {
            in_flight.conn.upgraded((!accounted).then(track));
        } else {
            Tunnel::opens(&in_flight.conn, track());
        }
    } else {
        say_close(response, dialect, in_flight);
    }
    if upgrade || (!dialect.is_http1() && response.body().is_end_stream()) {
        in_flight.end = ResponseEnd::Taken;
    }
    if dialect == Dialect::Http10 {
        in_flight.conn.until_close(has_no_length(response));
    }
    upgrade && !dialect.is_http1()
}

/// Once the shutdown has begun, or somebody has asked for the end of this connection, tells an HTTP/1.x peer that it
/// has no future.
fn say_close<B>(response: &mut Response<B>, dialect: Dialect, in_flight: &InFlight) {
    let has_to_end = in_flight.handle().is_shutting_down() || in_flight.conn.is_close_requested();
    if dialect.is_http1() && has_to_end {
        in_flight.conn.says_close();
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether it says that something is wrong with the request, or went wrong with it.
#[inline]
pub(crate) fn is_error<B>(response: &Response<B>) -> bool {
    response.status().as_u16() >= 400
}

/// Whether an answer to HTTP/1.0 ends with its connection.
fn has_no_length<B: Body>(response: &Response<B>) -> bool {
    response.body().size_hint().exact().is_none()
        && !response.headers().contains_key(CONTENT_LENGTH)
}

fn internal_error(dialect: Dialect) -> Response<&'static str> {
    if dialect == Dialect::Grpc {
        return ServerStatus::Internal.answer();
    }
    let mut response = Response::new("internal server error\n");
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// What a request is told whose time is over, and what the report says of that.
fn unavailable(dialect: Dialect) -> (&'static str, Response<&'static str>) {
    if dialect == Dialect::Grpc {
        let why = "not answered in time, so answered UNAVAILABLE";
        return (why, ServerStatus::Unavailable.answer());
    }
    let mut response = Response::new("shutting down, try again\n");
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    ("not answered in time, so answered 503", response)
}
