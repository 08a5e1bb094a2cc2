//! Job workers that survive every deploy: take, run, acknowledge; and in a shutdown stop taking,
//! finish, give back.
//!
//! # What must hold
//!
//! 1. A job is settled (acknowledged, failed, or given back) by whoever claims it first
//!    (`held.rs`), and by nobody else; so one that ends at the very moment when it is let go is
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

#[cfg(any(
    feature = "apalis",
    feature = "apalis-postgres",
    feature = "apalis-sqlite"
))]
mod apalis;
#[cfg(feature = "apalis-redis")]
mod apalis_redis;
#[cfg(feature = "async-nats")]
mod async_nats;
mod component;
mod desk;
mod doubt;
mod handler;
mod held;
mod intake;
mod job;
mod keeper;
#[cfg(feature = "lapin")]
mod lapin;
mod lease_clock;
#[cfg(any(
    feature = "apalis-postgres",
    feature = "apalis-redis",
    feature = "apalis-sqlite"
))]
mod pace;
mod pause;
mod queue;
mod runner;
mod settler;
mod waiting;
mod worker;

#[cfg(test)]
mod tests;

pub use self::queue::{Lost, Queue, Settled, Taken};
pub use component::Jobs;
pub use job::{Job, Outcome};

/// The queues that there is an adapter for, each behind the feature of its name.
pub mod adapters {
    #[cfg(feature = "apalis")]
    pub use super::apalis::monitor::apalis_monitor;
    #[cfg(feature = "apalis-postgres")]
    pub use super::apalis::postgres::ApalisPostgres;
    #[cfg(feature = "apalis-sqlite")]
    pub use super::apalis::sqlite::ApalisSqlite;
    #[cfg(feature = "apalis-redis")]
    pub use super::apalis_redis::ApalisRedis;
    #[cfg(feature = "async-nats")]
    pub use super::async_nats::JetStream;
    #[cfg(feature = "lapin")]
    pub use super::lapin::RabbitMq;
}

/// The kind under which a job is in the ledger from its start until it is settled.
pub(crate) const JOB: &str = "job";

/// The kind of what is left to do about jobs that have not started: waiting for those that are being
/// taken, giving back, unsubscribing.
pub(crate) const INTAKE: &str = "job intake";

/// Whether what is in the ledger under `kind` is written down here, with what has become of it, when
/// the time for draining is over.
pub(crate) fn writes_down(kind: &str) -> bool {
    kind == JOB || kind == INTAKE
}
