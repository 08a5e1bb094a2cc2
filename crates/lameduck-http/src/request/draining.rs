//! How a handler learns that its stream should come to an end.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Extensions;

use super::extension::handle_of;
use lameduck_core::Handle;
use lameduck_core::phase::{Phase, Phases, Reached};

/// Completes when what is in flight should come to its end: at [`Phase::Draining`], or at once if that
/// has been reached. For whatever a handler does for longer than a request usually takes: long polls,
/// streams, subscriptions.
///
/// An extractor for axum (feature `axum`):
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use lameduck_http::Draining;
///
/// async fn next_order(mut draining: Draining) -> String {
///     tokio::select! {
///         order = an_order() => order,
///         () = &mut draining => "none yet, ask again".to_owned(),
///     }
/// }
/// # async fn an_order() -> String { String::new() }
/// # let _: axum::Router = axum::Router::new().route("/next", axum::routing::get(next_order));
/// # }
/// ```
///
/// In other frameworks made [from a request's extensions](Draining::from_extensions), or from a
/// [`Handle`] anywhere. A clone completes by itself, whichever was polled.
///
/// Event streams need none of this, they are ended by the server: see
/// [`EventStreams`](crate::EventStreams).
///
/// # Cancel safety
///
/// Cancel safe. It may be awaited again after it has completed, and completes at once.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Draining {
    phases: Phases,
    reached: Reached,
}

impl Draining {
    /// The one of the server that the request came through; for a request of any other server, the
    /// one of the [`Lifecycle`](lameduck_core::Lifecycle::new) that owns the process.
    ///
    /// # Errors
    ///
    /// There is none, and the request has come neither through a server of lameduck's nor through
    /// [`TrackLayer`](crate::TrackLayer), which put the handle into it.
    pub fn from_extensions(extensions: &Extensions) -> Result<Draining, NoHandle> {
        handle_of(extensions).map(Draining::from).ok_or(NoHandle)
    }

    /// Whether the time has come.
    pub fn is_draining(&self) -> bool {
        self.phases.now() >= Phase::Draining
    }
}

impl From<&Handle> for Draining {
    fn from(handle: &Handle) -> Draining {
        let phases = handle.phases().clone();
        Draining {
            reached: phases.reached(Phase::Draining),
            phases,
        }
    }
}

impl Clone for Draining {
    fn clone(&self) -> Draining {
        Draining {
            reached: self.phases.reached(Phase::Draining),
            phases: self.phases.clone(),
        }
    }
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.reached).poll(cx).map(drop)
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Draining").field(&self.phases.now()).finish()
    }
}

/// There is no handle in the request. Answered 500 by the extractor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no lameduck::Handle in the request: serve with lameduck::Http, or put TrackLayer::new(&handle) round \
     the service"
)]
pub struct NoHandle;

#[cfg(feature = "axum")]
mod extract {
    use axum_core::extract::FromRequestParts;
    use axum_core::response::{IntoResponse, Response};
    use http::StatusCode;
    use http::request::Parts;

    use super::{Draining, NoHandle};

    impl<S: Sync> FromRequestParts<S> for Draining {
        type Rejection = NoHandle;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Draining, NoHandle> {
            Draining::from_extensions(&parts.extensions)
        }
    }

    impl IntoResponse for NoHandle {
        fn into_response(self) -> Response {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{self}\n")).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use lameduck_core::phase::Driver;

    #[test]
    fn it_completes_at_the_drain_in_every_clone_and_again() {
        let driver = Driver::new();
        let handle = Handle::new(driver.phases());
        let mut first = Draining::from(&handle);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut first).poll(&mut cx), Poll::Pending);
        let driver = driver.ready().lame_duck();
        assert_eq!(Pin::new(&mut first).poll(&mut cx), Poll::Pending);
        assert!(!first.is_draining());
        let _driver = driver.drain();
        let mut second = first.clone();
        assert!(first.is_draining());
        for it in [&mut first, &mut second] {
            assert_eq!(Pin::new(&mut *it).poll(&mut cx), Poll::Ready(()));
            assert_eq!(Pin::new(it).poll(&mut cx), Poll::Ready(()));
        }
    }

    #[test]
    fn without_a_handle_it_says_where_to_get_one() {
        let error = Draining::from_extensions(&Extensions::new()).unwrap_err();
        assert!(error.to_string().contains("TrackLayer"));
    }
}
