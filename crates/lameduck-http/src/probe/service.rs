//! Probes on the service's own port, where a platform has only one for it.
//!
//! # What must hold
//!
//! 1. The answers are those of the admin port, whoever serves them.
//! 2. A probe holds no shutdown: readiness checks under way are given up when it begins, and nothing else here takes
//!    time. Nor does it make a lame-duck phase longer: where one has been answered is remembered.
//! 3. What is not meant for everybody is not told unless it is asked for: a port of its own may be closed to the
//!    world, the service's is not.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use tower_service::Service;

use super::connections;
use super::routes::{Route, Routes, nothing_here};
use lameduck_core::Handle;

/// Answers `/livez`, `/readyz` and `/startupz` as a tower service, to be mounted in a router of your own: for platforms
/// that give a service one port (Cloud Run, Heroku, Fly). What is answered is what [`Probes`](crate::Probes) answer.
///
/// ```
/// # let handle = lameduck_core::Lifecycle::embedded().handle();
/// use lameduck_http::ProbeService;
///
/// let app = axum::Router::<()>::new()
///     .nest_service("/internal", ProbeService::new(&handle)) // /internal/readyz and so on
///     .route_service("/healthz", ProbeService::livez(&handle)); // one of them, wherever you like
/// ```
///
/// In any server, for example with plain hyper:
///
/// ```
/// # use std::convert::Infallible;
/// use http::{Request, Response};
/// use lameduck_http::{ProbeBody, ProbeService};
/// use tower_service::Service;
///
/// async fn answer<B>(request: Request<B>, mut probes: ProbeService) -> Result<Response<ProbeBody>, Infallible> {
///     match request.uri().path() {
///         "/livez" | "/readyz" => probes.call(request).await,
///         _ => Ok(Response::default()), // the application
///     }
/// }
/// ```
///
/// What is other than on a port of its own:
///
/// - It answers as long as the port is open on which it is served: not before the component has started, and not after the
///   listener has closed, which is when the shutdown drains. Until then, in the lame-duck phase, readiness is `503`.
/// - It answers from the application's runtime, and so not while every thread of that is blocked. Only a port of its
///   own does, and only there are the time-outs of readiness checks kept by another clock.
/// - A request for a probe is a request of the server that it came through: it is in the report's `finished`, and
///   a scrape of metrics finds itself in flight. It does not make the lame-duck phase longer, and holds no drain:
///   readiness checks under way end with the beginning of the shutdown.
/// - Whoever reaches the service reaches it. So there is no `/status`, no `/drain`, and
///   [metrics](ProbeService::with_metrics) are there if they are asked for.
///
/// A path is remembered as a probe's once it has been answered, up to 32 of them. In an axum router that is nested this
/// takes feature `axum` here; else name the paths (`Lifecycle::probers`).
#[derive(Clone)]
pub struct ProbeService {
    routes: Arc<Routes>,
    offers: Offers,
}

#[derive(Clone, Copy, Debug)]
enum Offers {
    /// By path.
    Paths(&'static [Route]),
    /// Whatever the path.
    One(Route),
}

const PROBES: &[Route] = &[Route::Livez, Route::Readyz, Route::Startupz];
const WITH_METRICS: &[Route] = &[Route::Livez, Route::Readyz, Route::Startupz, Route::Metrics];

impl ProbeService {
    /// Answers `/livez`, `/readyz` and `/startupz`, and `404` to anything else. For a router that takes the prefix
    /// off (axum's `nest_service`), or none.
    pub fn new(handle: &Handle) -> ProbeService {
        ProbeService::offering(handle, Offers::Paths(PROBES))
    }

    /// `/metrics` too: the figures of [`Metric`](lameduck_core::Metric) in OpenMetrics' text format. Default: off,
    /// because everybody who reaches the service can read them.
    pub fn with_metrics(mut self) -> Self {
        if let Offers::Paths(_) = self.offers {
            self.offers = Offers::Paths(WITH_METRICS);
        }
        self
    }

    /// Answers `200` while the process lives, at any path.
    pub fn livez(handle: &Handle) -> ProbeService {
        ProbeService::offering(handle, Offers::One(Route::Livez))
    }

    /// Answers `200` while the process should get traffic, else `503`, at any path. `?verbose` says why.
    pub fn readyz(handle: &Handle) -> ProbeService {
        ProbeService::offering(handle, Offers::One(Route::Readyz))
    }

    /// Answers `200` once the process has started, else `503`, at any path.
    pub fn startupz(handle: &Handle) -> ProbeService {
        ProbeService::offering(handle, Offers::One(Route::Startupz))
    }

    /// Answers with the figures of [`Metric`](lameduck_core::Metric) in OpenMetrics' text format, at any path.
    pub fn metrics(handle: &Handle) -> ProbeService {
        ProbeService::offering(handle, Offers::One(Route::Metrics))
    }

    fn offering(handle: &Handle, offers: Offers) -> ProbeService {
        ProbeService {
            routes: Arc::new(Routes::new(handle.clone(), connections::most())),
            offers,
        }
    }
}

/// As the client has written it.
fn path_of<B>(request: &Request<B>) -> &str {
    #[cfg(feature = "axum")]
    if let Some(whole) = request.extensions().get::<axum::extract::OriginalUri>() {
        return whole.path();
    }
    request.uri().path()
}

impl<B> Service<Request<B>> for ProbeService {
    type Response = Response<ProbeBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ProbeBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let route = match self.offers {
            Offers::One(route) => route,
            Offers::Paths(routes) => {
                let path = request.uri().path();
                match routes.iter().find(|it| it.path() == path) {
                    Some(route) => *route,
                    None => return Box::pin(ready(Ok(nothing_here(routes).map(ProbeBody)))),
                }
            }
        };
        self.routes.is_asked_at(path_of(&request));
        // Not its body, which nobody reads and which need not be `Send`.
        let mut asked = Request::new(());
        *asked.method_mut() = request.method().clone();
        *asked.uri_mut() = request.uri().clone();
        let routes = self.routes.clone();
        Box::pin(async move {
            let answer = routes.answer_to(route, &asked).await;
            Ok(answer.map(ProbeBody))
        })
    }
}

impl fmt::Debug for ProbeService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeService")
            .field("offers", &self.offers)
            .finish_non_exhaustive()
    }
}

/// The body of an answer of [`ProbeService`]: some text.
#[derive(Clone, Debug, Default)]
pub struct ProbeBody(Full<Bytes>);

impl Body for ProbeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
