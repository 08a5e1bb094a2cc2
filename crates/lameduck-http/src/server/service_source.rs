//! What a server serves: one service for all, or one that makes a service for each connection.
//!
//! Which of the two a type is says its implementation of `tower::Service`, and no type is both. So
//! [`Http::new`](crate::Http::new) takes either, and the compiler finds out which ([`ServiceSource`]'s
//! parameter).

use std::future::{Future, poll_fn, ready};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use crate::connection::connection_info::ConnectionInfo;
use lameduck_core::BoxError;

/// Where the services come from that answer requests: implemented for every tower service of
/// `http::Request<hyper::body::Incoming>` that can be cloned, and for every one that makes such a service of
/// a [`ConnectionInfo`], as axum's `into_make_service_with_connect_info` does.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no service that `Http` can serve",
    label = "neither a `tower::Service<http::Request<hyper::body::Incoming>>` nor one of `lameduck::ConnectionInfo` that makes such a service",
    note = "the service must be `Clone + Send + 'static`, its future `Send`, and its error `Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait ServiceSource<Kind>: Clone + Send + 'static {
    /// What answers the requests of a connection.
    type Service: Service<
            Request<Incoming>,
            Response = Response<Self::Body>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static;
    /// The body of its responses.
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;

    /// The service for one connection.
    ///
    /// # Errors
    ///
    /// The maker's own. The connection is closed then.
    ///
    /// # Cancel safety
    ///
    /// As the maker's own future.
    #[doc(hidden)]
    fn service_for(
        self,
        connection: impl FnOnce() -> ConnectionInfo + Send,
    ) -> impl Future<Output = Result<Self::Service, BoxError>> + Send;
}

/// One service for all connections, cloned for each request.
#[derive(Clone, Copy, Debug)]
pub enum SharedService {}

/// A service that makes one for each connection.
#[derive(Clone, Copy, Debug)]
pub enum ServicePerConnection {}

impl<S, B> ServiceSource<SharedService> for S
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Service = S;
    type Body = B;

    fn service_for(
        self,
        _: impl FnOnce() -> ConnectionInfo + Send,
    ) -> impl Future<Output = Result<S, BoxError>> + Send {
        ready(Ok(self))
    }
}

impl<M, S, B> ServiceSource<ServicePerConnection> for M
where
    M: Service<ConnectionInfo, Response = S> + Clone + Send + 'static,
    M::Future: Send,
    M::Error: Into<BoxError>,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Service = S;
    type Body = B;

    async fn service_for(
        mut self,
        connection: impl FnOnce() -> ConnectionInfo + Send,
    ) -> Result<S, BoxError> {
        let connection = connection();
        poll_fn(|cx| self.poll_ready(cx))
            .await
            .map_err(Into::into)?;
        self.call(connection).await.map_err(Into::into)
    }
}
