//! Graceful shutdown done right.

mod announce;
mod book;
pub mod budget;
mod clock;
mod close;
mod config;
#[doc(hidden)]
pub mod doc;
mod exit;
mod handle;
mod http;
pub mod inflight;
#[cfg(unix)]
mod inherited;
mod lastwords;
mod lifecycle;
mod name;
pub mod phase;
mod probe;
pub mod report;
mod signal;
mod sync;
mod sys;
mod waiters;
mod watchdog;

pub use self::http::component::Http;
pub use self::http::layer::TrackLayer;
pub use self::http::listener::Bind;
pub use close::Close;
pub use config::LameDuck;
pub use exit::Exit;
pub use handle::Handle;
pub use lifecycle::{BoxError, Lifecycle};
pub use phase::Phase;
pub use report::Report;
