//! Telling a load balancer or a registry that this process is going.
//!
//! All are told at the same time at the start of the lame-duck phase, each with a bound of its own, and
//! the phase does not end before they have been. One that fails or takes too long is named in the
//! report; it does not stop the shutdown and does not change the exit code, because the traffic
//! that it would have moved is served or drained all the same.

pub(crate) mod systemd;

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::base::bounded::bounded;
use crate::base::clock::now;
use crate::base::{BoxError, BoxFuture};
use crate::handle::Handle;
use crate::report::Step;

/// The most that one may take by default: 2 s.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// Something that is told at the start of a shutdown: a load balancer, a registry, a lock that another process
/// waits for. Given to [`Lifecycle::announce`](crate::Lifecycle::announce).
///
/// ```
/// use lameduck_core::{Announce, BoxError};
///
/// /// A file that a load balancer on the same machine looks at.
/// struct UpFile(std::path::PathBuf);
///
/// impl Announce for UpFile {
///     async fn leaving(&mut self) -> Result<(), BoxError> {
///         Ok(std::fs::remove_file(&self.0)?)
///     }
/// }
/// ```
pub trait Announce: Send + 'static {
    /// Says that this process is going. Called once. Dropped when its time is over.
    fn leaving(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// The most that it may take. Default: 2 s. The lame-duck phase is at least as long as this takes.
    fn timeout(&self) -> Duration {
        DEFAULT_TIMEOUT
    }
}

/// One that is to be told, by name.
pub(crate) struct Announcement {
    name: String,
    timeout: Duration,
    run: Box<dyn FnOnce() -> BoxFuture<Result<(), BoxError>> + Send>,
}

impl Announcement {
    pub(crate) fn new(name: String, mut it: impl Announce) -> Announcement {
        let timeout = it.timeout();
        Announcement::with(name, timeout, move || async move { it.leaving().await })
    }

    pub(crate) fn with<F, E>(
        name: String,
        timeout: Duration,
        hook: impl FnOnce() -> F + Send + 'static,
    ) -> Announcement
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Announcement {
            name,
            timeout,
            run: Box::new(move || Box::pin(async move { hook().await.map_err(Into::into) })),
        }
    }
}

/// Tells them all; the result ends when each has been told or its time is over.
pub(crate) async fn tell(announcements: Vec<Announcement>, handle: &Handle) {
    let mut running = JoinSet::new();
    for it in announcements {
        let handle = handle.clone();
        running.spawn(async move {
            let left = handle.left_until(handle.budget().lame_duck_until());
            let timeout = it.timeout.min(left);
            let began = now();
            let error = bounded(timeout, async { (it.run)().await }).await.err();
            let took = now().saturating_duration_since(began);
            handle.journal().announced(Step {
                name: it.name,
                took,
                error,
            });
        });
    }
    while running.join_next().await.is_some() {}
}
