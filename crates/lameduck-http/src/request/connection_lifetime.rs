//! How a handler ends the connection that its request came on, and learns that it has to end.
//!
//! # What must hold
//!
//! The way is that of the drain, for one connection alone: nothing is lost that its client wrote before it could know.

use std::fmt;
use std::sync::Arc;

use http::Extensions;

use crate::connection::conn::Conn;
use crate::connection::connection_info::ConnectionInfo;
use lameduck_core::phase::Phase;

/// Ends the connection that a request came on once what is on its way has been answered, and tells when it has to
/// end: to shed load, to have a client come back elsewhere, after credentials have changed.
///
/// An extractor for axum (feature `axum`), with
/// [`Http::with_connection_info`](crate::Http::with_connection_info):
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use lameduck_http::ConnectionLifetime;
///
/// async fn log_out(connection: ConnectionLifetime) -> &'static str {
///     connection.request_close();
///     "good bye" // the last answer on this connection
/// }
/// # let _: axum::Router = axum::Router::new().route("/logout", axum::routing::post(log_out));
/// # }
/// ```
///
/// Elsewhere [from a request's extensions](ConnectionLifetime::from_extensions), or, without any cost to requests,
/// from the [`ConnectionInfo`] that a service for each connection is made from
/// ([`ServiceSource`](crate::ServiceSource)): `ConnectionLifetime::from(&info)`. All of a connection are one.
///
/// # What the client sees
///
/// - HTTP/1.x: the next answer whose head is not written says `Connection: close`, and is the last. A connection on
///   which none is on its way is closed when its client has been quiet for longer than clients of this server
///   usually pause between two requests: 150 ms to 2 s, measured as for the drain.
/// - HTTP/2: GOAWAY, at once. What has been asked, and what was on its way when the client heard of it, is answered
///   (RFC 9113, 6.8). A client that stays nevertheless is cut off when it has been quiet for 2 s with
///   nothing to be answered.
/// - A WebSocket, or whatever else a connection was upgraded to, is not ended: its handler does that.
///
/// # Servers that are not ours
///
/// Behind [`Listener`](crate::Listener) and [`TrackLayer`](crate::TrackLayer) there is none, because a layer does
/// not see connections and a listener does not see what is spoken on them. Over HTTP/1.1 a response with the
/// header `Connection: close` has every server end its connection; over HTTP/2 only the server can
/// (`graceful_shutdown` of a connection of hyper's; `axum::serve` and tonic's server have no way). For the
/// drain there is [`Draining`](crate::Draining).
#[derive(Clone)]
pub struct ConnectionLifetime(Arc<Conn>);

impl ConnectionLifetime {
    /// Of the connection that the request came on. `None` where there is no [`ConnectionInfo`] in the request.
    pub fn from_extensions(extensions: &Extensions) -> Option<ConnectionLifetime> {
        info_in(extensions).map(ConnectionLifetime::from)
    }

    /// Asks for the end. From any task; later calls do nothing. Waits for nobody.
    pub fn request_close(&self) {
        self.0.request_close();
    }

    /// Whether the connection has to end: somebody has asked for it, or the shutdown drains.
    pub fn is_close_requested(&self) -> bool {
        self.0.is_close_requested() || self.0.handle().phase() >= Phase::Draining
    }

    /// Completes when the connection has to end: when somebody asks for it, which over HTTP/2 may be another handler,
    /// when the shutdown drains ([`Phase::Draining`]), or when it has ended. For what a handler does for long: streams,
    /// long polls. In the lame-duck phase, in which a connection is told that it will end and goes on, it does not.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_close_requested(&self) {
        tokio::select! {
            biased;
            () = self.0.until_close_requested() => {}
            () = self.0.handle().until_draining() => {}
        }
    }
}

#[cfg(feature = "axum")]
fn info_in(extensions: &Extensions) -> Option<&ConnectionInfo> {
    crate::connection::for_axum::find(extensions)
}

#[cfg(not(feature = "axum"))]
fn info_in(extensions: &Extensions) -> Option<&ConnectionInfo> {
    ConnectionInfo::from_extensions(extensions)
}

impl From<&ConnectionInfo> for ConnectionLifetime {
    fn from(info: &ConnectionInfo) -> ConnectionLifetime {
        ConnectionLifetime(info.0.clone())
    }
}

impl fmt::Debug for ConnectionLifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionLifetime")
            .field("close_requested", &self.is_close_requested())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
mod extract {
    use std::convert::Infallible;

    use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
    use http::request::Parts;

    use super::ConnectionLifetime;
    use crate::connection::for_axum::NoConnectionInfo;

    impl<S: Sync> FromRequestParts<S> for ConnectionLifetime {
        type Rejection = NoConnectionInfo;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoConnectionInfo> {
            ConnectionLifetime::from_extensions(&parts.extensions).ok_or(NoConnectionInfo)
        }
    }

    impl<S: Sync> OptionalFromRequestParts<S> for ConnectionLifetime {
        type Rejection = Infallible;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
            Ok(ConnectionLifetime::from_extensions(&parts.extensions))
        }
    }
}
