//! Real servers for tests: PostgreSQL, MariaDB, Redis, RabbitMQ, NATS with JetStream, and
//! Chromium behind its driver, each in a temporary folder on a free loopback port, from the binaries that are
//! installed.
//!
//! ```no_run
//! # fn main() {
//! let Some(postgres) = real_servers::or_skip(real_servers::Postgres::start()) else {
//!     return;
//! };
//! println!("{}", postgres.url());
//! # }
//! ```
//!
//! # What must hold
//! - Nothing outlives the test: dropping a server ends every process that it started, whatever group
//!   or session they are in, and removes its folder. If the test process itself is killed, a small
//!   shell that holds the other end of a pipe does the same.
//! - Servers that run at the same time, in one test process or in several, have different ports, and
//!   one that was killed finds its port free when it is started again.
//! - "Not installed" is the only failure that a caller may pass over ([`or_skip`]). Whatever else goes
//!   wrong panics with what the server itself said.
//! - What is passed over is seen by whoever runs the tests, and counted ([`skip`]).

mod browser;
mod client;
mod daemon;
mod mariadb;
mod nats;
mod port;
mod postgres;
mod process_tree;
mod program;
mod rabbitmq;
mod redis;
mod skip;

use std::fmt;

pub use browser::{Browser, BrowserPage};
pub use client::{python, runs};
pub use mariadb::MariaDb;
pub use nats::Nats;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMqServer;
pub use redis::Redis;
pub use skip::{REQUIRED, Run, Skipped, skip};

/// A server that is not installed on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotHere {
    server: &'static str,
    install: &'static str,
}

impl NotHere {
    pub(crate) fn new(server: &'static str, install: &'static str) -> NotHere {
        NotHere { server, install }
    }
}

impl fmt::Display for NotHere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} not installed ({})", self.server, self.install)
    }
}

impl std::error::Error for NotHere {}

/// The server, or `None` and a line that says loudly what was skipped and how to change that ([`skip`]).
///
/// # Panics
/// If the server is not installed and the environment variable [`REQUIRED`] is set.
pub fn or_skip<Server>(started: Result<Server, NotHere>) -> Option<Server> {
    started.map_err(skip).ok()
}
