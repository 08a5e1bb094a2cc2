//! Graceful shutdown done right.

pub mod budget;
mod clock;
pub mod inflight;
pub mod phase;
mod sync;
mod waiters;
