#![doc = include_str!("../README.md")]
//!
//! # The parts
//!
//! - [`Lifecycle`] puts a process together and runs it.
//! - [`Handle`] is what every part of the process knows about the shutdown: the [`Phase`], the time left, and the
//!   [ledger](inflight) of everything in flight.
//! - [`Component`], [`Close`], [`Announce`] and [`AdminPort`] are what a lifecycle starts, closes, tells and has
//!   probes answered by: everybody can implement them.
//! - [`budget`] says how the grace is shared out, [`report`] what is told at the end, [`LameDuck`] how long to go on
//!   serving, [`Exit`] what the exit code means.
//!
//! # Panics
//!
//! With `panic = "unwind"`, Rust's default, a panic is caught where it can be told apart from the rest: a task or
//! another component that panics is a failure (what is open is closed, exit 1), a closer's or hook's is in the report.
//! With `panic = "abort"` in the profile a panic, whosever it is, ends the process where it stands, by SIGABRT: nothing
//! is drained or closed, and there is no report. All else is the same, the end by force too. So a service that is to
//! drain whatever happens keeps the default.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod component;
mod environment;
mod handle;
pub mod inflight;
#[doc(hidden)]
pub mod internal;
mod lifecycle;
mod process;
mod readiness;
pub mod report;
mod shutdown;
mod system;
#[doc(hidden)]
pub mod voice;

pub use base::{BadConfiguration, BoxError};
pub use component::admin_port::{AdminPort, OpenAdminPort, Opening};
pub use component::announce::Announce;
pub use component::close::Close;
pub use component::restarting::Restarting;
pub use component::{Component, Running, Start, StartError};
pub use environment::{BadLameDuck, LameDuck};
pub use handle::{Handle, Metric, MetricKind, MetricSample};
pub use lifecycle::{Lifecycle, NotStarted};
pub use readiness::Readiness;
pub use report::Report;
pub use shutdown::exit::Exit;
pub use shutdown::phase::Phase;
pub use shutdown::{budget, phase};
