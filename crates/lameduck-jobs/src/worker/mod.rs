//! The worker: takes jobs, runs them, and tells their queue what has become of each.

mod acknowledger;
pub(crate) mod component;
mod intake;
mod lease_renewer;
mod runner;
mod settlement;
mod worker_loop;
