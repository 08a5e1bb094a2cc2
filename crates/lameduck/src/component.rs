//! The shape of what a lifecycle starts and drains: servers, job workers, background tasks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::handle::Handle;
#[cfg(unix)]
use crate::inherited::Sockets;

/// An error of anybody's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A future of anybody's.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a component works on until it has drained. An error is the component's failure.
pub(crate) type Running = BoxFuture<Result<(), BoxError>>;

/// What a component is given when it starts.
pub(crate) struct Start<'a> {
    pub handle: &'a Handle,
    /// The shortest the lame-duck phase will be.
    pub lame_duck_min: std::time::Duration,
    /// What the process was started with.
    #[cfg(unix)]
    pub sockets: &'a mut Sockets,
}

/// A part of the process that runs from the start to the end of the drain.
///
/// Starting is two steps, so that no component serves before all have what they need: `start`
/// takes ports and the like, the future that it returns does the work. That future watches the
/// phase by itself, stops taking work in time, and ends when it has drained.
pub(crate) trait Component: Send {
    fn name(&self) -> &str;

    fn listens(&self) -> bool {
        false
    }

    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError>;
}

/// Why a component did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// It was told something that cannot be.
    BadConfiguration(String),
    /// The system would not let it.
    Failed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::BadConfiguration(e) | StartError::Failed(e) => f.write_str(e),
        }
    }
}
