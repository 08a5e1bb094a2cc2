//! One HTTP connection's task: drives it from its first byte to an orderly end.
//!
//! # What must hold
//!
//! 1. A connection on which a request may be under way is never closed before its time is over. A
//!    request is under way from its first byte to the last byte of its response.
//! 2. A connection is only closed as idle if, at that moment, the kernel holds nothing from the
//!    peer. What the peer sends later than that is lost whatever we do; the
//!    [`sweep`](crate::connection::sweep) picks the moment at which it is least likely to.
//! 3. Every connection ends with FIN, over TLS with close_notify before it. It is read until the peer's own FIN, or for a bounded time,
//!    because closing a socket with unread bytes sends RST, and an RST destroys the response that
//!    the peer has not read yet (RFC 9112, 9.6).

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;

use tracing::Level;

use super::service_source::ServiceSource;
use crate::connection::conn::{Conn, Order};
use crate::connection::connection_info::ConnectionInfo;
use crate::connection::connection_list::ListedConnection;
use crate::connection::linger::linger;
use crate::connection::observed_stream::ObservedStream;
use crate::connection::stream::ConnectionStream;
use crate::connection::tunnel::Spawner;
use crate::listen::socket::Accepted;
use crate::opening::preamble::Preamble;
use crate::request::tracked_service::TrackedService;
use lameduck_core::BoxError;
use lameduck_core::internal::redact::without_passwords;
use lameduck_core::internal::voice;

/// Serves one connection from the first byte to the last. The task of the connection, which has been on
/// the list since before its first turn.
pub(crate) fn serve<A, Kind>(
    accepted: Accepted,
    conn: Arc<Conn>,
    listed: ListedConnection,
    protocol: Arc<auto::Builder<Spawner>>,
    preamble: Preamble,
    app: A,
) -> impl Future<Output = ()>
where
    A: ServiceSource<Kind>,
{
    // Apart from the task: an upgraded connection keeps that, and has no use for the room that HTTP needs.
    let http = Box::pin(speak(accepted, conn.clone(), protocol, preamble, app));
    async move {
        let _listed = listed;
        if !http.await {
            return;
        }
        // An upgraded connection comes back when its new owner is done with it.
        if let Some(stream) = conn.given_back().await {
            Box::pin(linger(stream, &conn)).await;
        }
        conn.is_gone();
    }
}

/// Speaks HTTP. Whether it came to that: if not, the connection has ended.
async fn speak<A, Kind>(
    accepted: Accepted,
    conn: Arc<Conn>,
    protocol: Arc<auto::Builder<Spawner>>,
    preamble: Preamble,
    app: A,
) -> bool
where
    A: ServiceSource<Kind>,
{
    let Some(stream) = preamble.open(accepted, &conn).await else {
        return false;
    };
    let connection = || ConnectionInfo(conn.clone());
    let making = app.service_for(connection);
    let service = match made(&stream, &conn, pin!(making)).await {
        Some(service) => service,
        None => {
            linger(stream, &conn).await;
            return false;
        }
    };
    let io = TokioIo::new(ObservedStream::new(stream, conn.clone()));
    let service = TrackedService::new(service, conn.clone());
    drive(
        &conn,
        pin!(protocol.serve_connection_with_upgrades(io, service)),
    )
    .await;
    true
}

/// The service for this connection; `None` if there is none, or the connection has to go before there is.
async fn made<S>(
    stream: &ConnectionStream,
    conn: &Conn,
    mut making: Pin<&mut impl Future<Output = Result<S, BoxError>>>,
) -> Option<S> {
    poll_fn(|cx| {
        conn.waker.register(cx);
        if let Poll::Ready(made) = making.as_mut().poll(cx) {
            return Poll::Ready(made.map_err(|error| cannot_serve(&error)).ok());
        }
        match conn.order() {
            Order::Serve | Order::GoAway => Poll::Pending,
            Order::CloseIdle if stream.has_unread() => {
                conn.decline(Order::CloseIdle);
                Poll::Pending
            }
            Order::CloseIdle | Order::Cut => Poll::Ready(None),
        }
    })
    .await
}

fn cannot_serve(error: &BoxError) {
    let error = without_passwords(&error.to_string()).into_owned();
    voice::event(Level::ERROR, move || {
        tracing::error!(target: "lameduck", error, "no service for a connection");
    });
}

type Http<'a, S> = auto::UpgradeableConnection<'a, TokioIo<ObservedStream>, S, Spawner>;

/// Drives hyper, and obeys the sweep.
fn drive<'a, S, B>(conn: &'a Conn, mut http: Pin<&'a mut Http<'_, S>>) -> impl Future<Output = ()>
where
    S: hyper::service::Service<Request<Incoming>, Response = http::Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut closing = false;
    poll_fn(move |cx| {
        conn.waker.register(cx);
        loop {
            conn.turn_begins();
            let result = match http.as_mut().poll(cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    conn.turn_ends();
                    if conn.order() == Order::Serve {
                        return Poll::Pending;
                    }
                    match obey(conn, &mut closing) {
                        AfterTurn::Wait => return Poll::Pending,
                        AfterTurn::EndHttp => http.as_mut().graceful_shutdown(),
                        AfterTurn::Cut => return Poll::Ready(()),
                    }
                    continue;
                }
            };
            match result {
                Ok(()) => conn.turn_ends(),
                Err(error) => broke(conn, error),
            }
            return Poll::Ready(());
        }
    })
}

/// What follows a turn of hyper's.
enum AfterTurn {
    Wait,
    /// hyper is told to end the connection, and has another turn for it.
    EndHttp,
    Cut,
}

/// Obeys an order of the sweep, which a turn seldom has.
#[cold]
fn obey(conn: &Conn, closing: &mut bool) -> AfterTurn {
    match conn.order() {
        Order::Serve => AfterTurn::Wait,
        Order::GoAway if !conn.is_http2() => {
            conn.ends_when_quiet();
            AfterTurn::Wait
        }
        Order::GoAway if conn.tell() => AfterTurn::EndHttp,
        Order::GoAway => AfterTurn::Wait,
        Order::CloseIdle if conn.may_close() => {
            *closing = true;
            conn.forget_look();
            AfterTurn::EndHttp
        }
        Order::CloseIdle => {
            if !*closing {
                // Something came in the meantime: the sweep shall look again.
                conn.forget_look();
                conn.decline(Order::CloseIdle);
            }
            AfterTurn::Wait
        }
        Order::Cut => AfterTurn::Cut,
    }
}

/// hyper has given the connection up.
#[cold]
fn broke(conn: &Conn, error: BoxError) {
    conn.leaves_unread();
    voice::event(Level::TRACE, move || {
        tracing::trace!(target: "lameduck", %error, "connection ended");
    });
}
