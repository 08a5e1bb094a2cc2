//! Graceful shutdown done right.

mod book;
pub mod budget;
mod clock;
mod handle;
pub mod inflight;
mod lastwords;
mod name;
pub mod phase;
mod probe;
pub mod report;
mod signal;
mod sync;
mod sys;
mod waiters;

pub use handle::Handle;
pub use phase::Phase;
pub use report::Report;
