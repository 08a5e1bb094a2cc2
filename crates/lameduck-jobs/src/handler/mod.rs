//! The application's handler, and what it knows about its job.

pub(crate) mod erased_handler;
pub(crate) mod job;
