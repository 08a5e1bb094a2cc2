#![doc = include_str!("../README.md")]
//!
//! # What must hold
//!
//! 1. A job is settled (acknowledged, failed, or given back) by whoever claims it first
//!    (`held/held_jobs.rs`), and by nobody else; so one that ends at the very moment when it is let go is
//!    either acknowledged or given back, never both.
//! 2. It is acknowledged only after its handler has returned `Ok`. Whatever else happens (an error,
//!    a panic, a cancellation, a crash) leaves it to its queue.
//! 3. From the beginning of the shutdown nothing is taken. A [`Queue::take`] under way is waited
//!    for, since dropping it could lose what the queue has handed out already; what it brings, and
//!    whatever else had not started, goes back at once.
//! 4. The lease of everything held is kept until it is settled, however long the drain takes. One that
//!    could not be renewed by its end, by our own clock, is lost: its handler is not polled again.
//! 5. What still runs when the time for draining is over is cancelled and given back at once, also
//!    if it does not react to being cancelled.
//! 6. What the queue believes to be ours is known here, or given back: answers get lost, and a lease
//!    that is renewed for nobody would never end.
//! 7. Nothing here waits without an end for a queue that is gone: what could not be settled is in
//!    the report by name, and the queue hands it out again when the lease or the connection ends.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod adapter;
mod handler;
mod held;
mod queue;
#[cfg(test)]
mod tests;
mod worker;

pub use handler::job::{Job, Outcome};
pub use queue::contract::{Lost, Queue, Settled, Taken};
pub use worker::component::Jobs;
