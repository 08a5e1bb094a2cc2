//! A job worker as a component of a lifecycle, and its settings.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::worker_loop::WorkerLoop;
use crate::handler::erased_handler::{self, Handler};
use crate::handler::job::{Job, Outcome};
use crate::queue::contract::Queue;
use lameduck_core::{BadConfiguration, BoxError, Component, Running, Start, StartError};

/// A worker on a queue: a component of a lifecycle.
///
/// ```
/// # use lameduck_core::Lifecycle;
/// # use lameduck_jobs::{Job, Jobs, Queue};
/// # fn with(life: Lifecycle, queue: impl Queue) -> Lifecycle {
/// #[derive(serde::Deserialize)]
/// struct Receipt { order: i64 }
///
/// async fn send(receipt: Receipt, job: Job) -> Result<(), std::io::Error> {
///     println!("receipt for order {}, attempt {}", receipt.order, job.attempt());
///     Ok(())
/// }
///
/// life.component(Jobs::new("receipts", queue, send).concurrency(32).prefetch(8))
/// # }
/// ```
#[must_use = "a worker that is not given to `Lifecycle::component` takes no jobs"]
pub struct Jobs<Q> {
    name: String,
    queue: Q,
    handler: Handler,
    concurrency: usize,
    prefetch: Option<usize>,
}

impl<Q: Queue> Jobs<Q> {
    /// A worker called `name` (in reports) that takes jobs from `queue` and runs `handler` on each.
    /// Payloads are JSON.
    ///
    /// `Ok(())` acknowledges the job; an error or a panic is a failed attempt, to which the rules
    /// of the queue apply; [`Outcome::GiveBack`] gives it back. The handler may run more than once
    /// for the same job: after a crash, or when it was let go. The future of a handler is dropped
    /// when its time is over, at an `await`.
    pub fn new<T, F, O, E>(
        name: impl Into<String>,
        queue: Q,
        handler: impl Fn(T, Job) -> F + Send + Sync + 'static,
    ) -> Jobs<Q>
    where
        T: DeserializeOwned,
        F: Future<Output = Result<O, E>> + Send + 'static,
        O: Into<Outcome>,
        E: Into<BoxError>,
    {
        Jobs::with(name.into(), queue, erased_handler::json(handler))
    }

    /// The same for payloads of any format.
    pub fn raw<F, O, E>(
        name: impl Into<String>,
        queue: Q,
        handler: impl Fn(Bytes, Job) -> F + Send + Sync + 'static,
    ) -> Jobs<Q>
    where
        F: Future<Output = Result<O, E>> + Send + 'static,
        O: Into<Outcome>,
        E: Into<BoxError>,
    {
        Jobs::with(name.into(), queue, erased_handler::raw(handler))
    }

    fn with(name: String, queue: Q, handler: Handler) -> Jobs<Q> {
        Jobs {
            name,
            queue,
            handler,
            concurrency: 16,
            prefetch: None,
        }
    }

    /// How many jobs run at the same time: default: 16, at least 1.
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// How many jobs are fetched ahead of those that run: default: as many as run. 0 leaves each
    /// with its queue until there is room for it, which is fairer to other workers and slower.
    pub fn prefetch(mut self, jobs: usize) -> Self {
        self.prefetch = Some(jobs);
        self
    }
}

impl<Q> fmt::Debug for Jobs<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("name", &self.name)
            .field("concurrency", &self.concurrency)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}

impl<Q: Queue> Component for Jobs<Q> {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), BadConfiguration> {
        match self.concurrency {
            0 => Err(BadConfiguration::new(
                "a concurrency of 0 would never run a job: use 1 or more",
            )),
            _ => Ok(()),
        }
    }

    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError> {
        let worker = WorkerLoop {
            name: Arc::from(self.name),
            queue: Arc::new(self.queue),
            handler: self.handler,
            concurrency: self.concurrency,
            prefetch: self.prefetch.unwrap_or(self.concurrency),
            handle: start.handle().clone(),
        };
        Ok(Box::pin(async move {
            worker.run().await;
            Ok(())
        }))
    }
}
