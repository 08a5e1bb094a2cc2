//! The admin port: probes for whoever decides where traffic goes, metrics, the state of the
//! shutdown, and a way to begin it.
//!
//! # What must hold
//!
//! 1. It answers while every thread of the application's runtime is blocked. So it has a thread and
//!    a runtime of its own, and nothing it serves waits for the application's, but the readiness
//!    checks, each with a time-out.
//! 2. Readiness fails from the moment the phase changes. The phase is looked at before *and* after
//!    the checks, and no answer is kept for a later question.
//! 3. However many ask, a check runs once at a time: readiness is no way to overload a database.
//! 4. No client can keep others out or keep the process from ending.
//!
//! `service` is the same on the service's own port, where neither 1 nor 4 can hold. `port` is what a lifecycle is given, `server` accepts and ends, `connections` bounds what is open, `stream` is one of them, `routes` answers,
//! [`Readiness`](lameduck_core::Readiness) runs the checks, `status` and `metrics` say the same facts to people,
//! programs and Prometheus.

mod connections;
mod metrics;
mod port;
mod routes;
mod server;
mod service;
mod status;
mod stream;
#[cfg(test)]
mod tests;

pub use port::Probes;
pub use service::{ProbeBody, ProbeService};
