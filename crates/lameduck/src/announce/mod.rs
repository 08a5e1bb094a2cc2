//! Telling a load balancer or a registry that this process is going.
//!
//! Hooks run concurrently at the start of the lame-duck phase, each with a bound of its own, and
//! the phase does not end before they have. A hook that fails or takes too long is named in the
//! report; it does not stop the shutdown and does not change the exit code, because the traffic
//! that it would have moved is served or drained all the same.

pub(crate) mod systemd;

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::bounded::bounded;
use crate::clock::now;
use crate::component::{BoxError, BoxFuture};
use crate::handle::Handle;
use crate::report::Step;

/// The most a hook may take unless told otherwise: 2 s.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct Hook {
    name: String,
    timeout: Duration,
    run: Box<dyn FnOnce() -> BoxFuture<Result<(), BoxError>> + Send>,
}

impl Hook {
    pub(crate) fn new<F, E>(
        name: String,
        timeout: Duration,
        hook: impl FnOnce() -> F + Send + 'static,
    ) -> Hook
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Hook {
            name,
            timeout,
            run: Box::new(move || Box::pin(async move { hook().await.map_err(Into::into) })),
        }
    }
}

/// Starts all hooks; the result ends when each has ended or its time is over.
pub(crate) async fn tell(hooks: Vec<Hook>, handle: &Handle) {
    let mut running = JoinSet::new();
    for hook in hooks {
        let handle = handle.clone();
        running.spawn(async move {
            let left = handle.left_until(handle.budget().lame_duck_until());
            let timeout = hook.timeout.min(left);
            let began = now();
            let error = bounded(timeout, async { (hook.run)().await }).await.err();
            let took = now().saturating_duration_since(began);
            handle.journal().announced(Step {
                name: hook.name,
                took,
                error,
            });
        });
    }
    while running.join_next().await.is_some() {}
}
