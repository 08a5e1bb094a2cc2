//! A background task of the application's, as a component.

use std::future::Future;

use crate::base::BoxError;
use crate::component::{Component, Running, Start, StartError};
use crate::handle::Handle;
use crate::inflight::kind::TASK;

/// A background task of the application's.
pub(crate) struct Task {
    name: String,
    run: Box<dyn FnOnce(Handle) -> Running + Send>,
}

impl Task {
    pub(crate) fn new<F, E>(name: String, run: impl FnOnce(Handle) -> F + Send + 'static) -> Task
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Task {
            name,
            run: Box::new(move |handle| {
                Box::pin(async move { run(handle).await.map_err(Into::into) })
            }),
        }
    }
}

impl Component for Task {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError> {
        let guard = start.handle.track(TASK, self.name);
        let running = (self.run)(start.handle.clone());
        Ok(Box::pin(async move {
            let result = running.await;
            drop(guard);
            result
        }))
    }
}
