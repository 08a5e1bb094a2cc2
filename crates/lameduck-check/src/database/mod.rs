//! The target's database sessions, as PostgreSQL itself sees them: open at the signal, and how each one ended.
//!
//! Three witnesses: `pg_stat_activity` says which sessions there are, the server's log what it complained of, and
//! `pg_stat_database` (from version 15 on) counts sessions that ended without a goodbye, also those idle ones that
//! the log is silent about.

mod log_line;
mod server_log;
mod statistics;
mod watch;

use std::time::Instant;

use thiserror::Error;

pub(crate) use watch::{UnderWatch, Watch};

/// The target's sessions in one round.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Those that were open when the signal came, or later.
    pub sessions: Vec<Session>,
    /// Sessions of the whole database that ended badly meanwhile, as the server counts them; `None` when it does not
    /// count, or late: before version 15.
    pub bad_ends: Option<BadEnds>,
    /// Why the server's log says nothing here, if so.
    pub log_unseen: Option<String>,
    /// Why nothing can be said at all, if so.
    pub trouble: Option<String>,
}

/// One session of the target.
#[derive(Clone, Debug)]
pub struct Session {
    /// The server process that served it.
    pub pid: i32,
    /// What it called itself (`application_name`), often nothing.
    pub application: String,
    /// What it did when it was last seen: `idle`, `active`, `idle in transaction`.
    pub state: String,
    /// Its last statement, shortened.
    pub query: String,
    /// When it was last seen.
    pub last_seen: Instant,
    /// When it was seen to be gone; `None` when it outlived the target by two seconds.
    pub gone: Option<Instant>,
    /// What the server's log said of it that a session with a goodbye has no reason for.
    pub complaints: Vec<String>,
}

/// How many sessions of a database ended badly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadEnds {
    /// The client was gone without a goodbye (`sessions_abandoned`).
    pub abandoned: u64,
    /// Fatal errors, terminations by an administrator or by a time limit (`sessions_fatal`, `sessions_killed`).
    pub cut: u64,
}

/// Why the database cannot be watched. The command line shows these with exit 2.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The URL is none.
    #[error(
        "--postgres: not a URL of PostgreSQL ({reason}); expected something like postgres://user@127.0.0.1:5432/shop"
    )]
    Url {
        /// What is wrong with it. The URL may hold a password, and is not shown.
        reason: String,
    },
    /// Nobody answers, or not as hoped.
    #[error(
        "--postgres {place}: {reason}; give the URL of the target's own database, best with its own role"
    )]
    Connect {
        /// Role, host, port and database.
        place: String,
        /// What was said.
        reason: String,
    },
    /// A query was turned down.
    #[error("--postgres {place}: cannot watch its sessions: {reason}")]
    Query {
        /// Role, host, port and database.
        place: String,
        /// What was said.
        reason: String,
    },
    /// The log that was named is not the server's.
    #[error("--postgres-log {file}: {reason}")]
    Log {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the server said, or else the error with all its causes.
fn in_words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let error: &dyn std::error::Error = error;
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
