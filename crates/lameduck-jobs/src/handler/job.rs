//! What a handler knows about its job, and what it may make of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use lameduck_core::Handle;
use lameduck_core::inflight::Name;

/// A job at work, as its handler sees it. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Job {
    shared: Arc<SharedJob>,
}

struct SharedJob {
    queue: Arc<str>,
    id: String,
    attempt: u32,
    payload: Bytes,
    handle: Handle,
}

impl Job {
    pub(crate) fn new(
        queue: Arc<str>,
        id: String,
        attempt: u32,
        payload: Bytes,
        handle: Handle,
    ) -> Job {
        Job {
            shared: Arc::new(SharedJob {
                queue,
                id,
                attempt,
                payload,
                handle,
            }),
        }
    }

    /// `mail 17`: the name of the worker, and what its queue calls it. Formatted when it is asked for.
    pub(crate) fn name(&self) -> Name {
        Name::shared(self.shared.clone())
    }

    /// What its queue calls it.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// The name of the worker, as it was given to [`Lifecycle::component`](lameduck_core::Lifecycle::component).
    pub fn queue(&self) -> &str {
        &self.shared.queue
    }

    /// How often the job has been handed out, this time included: 1 the first time.
    pub fn attempt(&self) -> u32 {
        self.shared.attempt
    }

    /// What it says, as it came from its queue.
    pub fn payload(&self) -> &Bytes {
        &self.shared.payload
    }

    /// Completes when the shutdown has begun. A short job need not care; a long one may write down
    /// how far it has come and return [`Outcome::GiveBack`].
    ///
    /// ```
    /// # use lameduck_jobs::{Job, Outcome};
    /// # async fn next_page() {}
    /// async fn import(_file: String, job: Job) -> Result<Outcome, std::io::Error> {
    ///     loop {
    ///         tokio::select! {
    ///             () = job.until_shutdown() => return Ok(Outcome::GiveBack),
    ///             () = next_page() => {}
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn until_shutdown(&self) {
        self.shared.handle.until_shutdown().await;
    }

    /// Whether the shutdown has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.shared.handle.is_shutting_down()
    }

    /// When the job will be cancelled and given back: the end of the time for draining. `None`
    /// before the shutdown has begun, since until then a job may take as long as it likes.
    pub fn deadline(&self) -> Option<Instant> {
        let handle = &self.shared.handle;
        handle.moment(handle.budget().drain_until())
    }

    /// The time left until the [`deadline`](Job::deadline).
    pub fn time_left(&self) -> Option<Duration> {
        let handle = &self.shared.handle;
        handle
            .is_shutting_down()
            .then(|| handle.left_until(handle.budget().drain_until()))
    }

    /// The handle of the process.
    pub fn handle(&self) -> &Handle {
        &self.shared.handle
    }
}

impl fmt::Display for SharedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.queue, self.id)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("queue", &self.queue())
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .finish()
    }
}

/// What has become of a job whose handler has returned `Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Outcome {
    /// It is done: acknowledge it. What `()` means too.
    #[default]
    Done,
    /// It is not done: give it back, to be taken by another worker at once. Nothing has failed.
    GiveBack,
}

impl From<()> for Outcome {
    fn from((): ()) -> Outcome {
        Outcome::Done
    }
}
