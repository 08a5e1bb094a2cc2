//! What the examples of this documentation use, so that each of them compiles and runs without
//! another crate.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response};
use tower_service::Service;

/// The smallest tower service: answers `hello` to everything. Yours is an axum `Router`, a tonic
/// server, or any other.
#[derive(Clone, Copy, Debug)]
pub struct Hello;

impl<R> Service<Request<R>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<R>) -> Self::Future {
        ready(Ok(Response::new(Full::from("hello\n"))))
    }
}
