//! The jobs that this process holds, and for how long each is ours.

pub(crate) mod held_jobs;
pub(crate) mod lease_clock;
pub(crate) mod reconcile_flag;
pub(crate) mod waiting_jobs;
