//! The engine of [lameduck](https://docs.rs/lameduck): what a process needs in order to end well, whatever it
//! serves and with what.
//!
//! A library that wants to be drained, or a service that keeps its own servers, needs nothing else: signals, phases,
//! one time budget, a ledger of what is in flight, a watchdog and a report. No HTTP, no TLS, no metrics.
//!
//! ```no_run
//! use lameduck_core::{Exit, Lifecycle};
//!
//! #[tokio::main]
//! async fn main() -> Exit {
//!     let life = Lifecycle::new(); // first: from here on a SIGTERM is honoured
//!     life.task("mailer", |handle| async move {
//!         while !handle.has_begun() {
//!             let _mail = handle.track("mail", "to the customer");
//!             // …
//! #           tokio::task::yield_now().await;
//!         }
//!         Ok::<_, std::io::Error>(())
//!     })
//!     .close_with("spool", || async { std::fs::remove_dir_all("spool") })
//!     .run()
//!     .await
//! }
//! ```
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

mod base;
mod component;
mod environment;
pub mod inflight;
#[doc(hidden)]
pub mod internal;
mod lifecycle;
mod process;
pub mod report;
mod shutdown;
#[doc(hidden)]
pub mod voice;

pub use base::BoxError;
pub use component::admin_port::{AdminPort, OpenAdminPort, Opening};
pub use component::announce::Announce;
pub use component::close::Close;
pub use component::readiness::Readiness;
pub use component::{Component, Running, Start, StartError};
pub use environment::LameDuck;
pub use lifecycle::Lifecycle;
pub use report::Report;
pub use shutdown::exit::Exit;
pub use shutdown::handle::Handle;
pub use shutdown::phase::Phase;
pub use shutdown::{budget, phase};
