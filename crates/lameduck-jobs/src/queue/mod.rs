//! What a queue must be able to do, and how often one is asked.

pub(crate) mod backoff;
pub(crate) mod contract;
pub mod polling;
