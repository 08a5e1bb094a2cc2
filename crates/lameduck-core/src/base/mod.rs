//! The ground: what knows nothing of a shutdown. Clocks, one-way switches, those who wait.

pub(crate) mod abort_on_drop;
mod bad_configuration;
pub mod bounded;
pub mod clock;
pub mod jitter;
pub mod latch;
pub(crate) mod sync;
pub mod text;
pub(crate) mod waiters;

pub use bad_configuration::BadConfiguration;

use std::future::Future;
use std::pin::Pin;

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any future that can be sent to another thread.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
