//! What a process has beside its own sockets: a session with a database, and children.

use std::io;
use std::process::{Command, Stdio};

use sqlx::{Connection, Executor, PgConnection};
use tokio::runtime::Runtime;

use crate::state::Fault;

/// A session with PostgreSQL.
pub struct Session {
    runtime: Runtime,
    connection: PgConnection,
}

impl Session {
    pub fn open(url: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let connection = runtime.block_on(PgConnection::connect(url));
        let connection = connection.map_err(io::Error::other)?;
        Ok(Self {
            runtime,
            connection,
        })
    }

    /// Says goodbye, or what the fault has in its place. Returns as late as the process has nothing more to do.
    pub fn end(mut self, fault: Fault) -> io::Result<()> {
        let ended = match fault {
            Fault::LeavesSession => {
                std::mem::forget(self);
                return Ok(());
            }
            Fault::CutsTransaction => {
                let begun = self.runtime.block_on(self.connection.execute("begin"));
                std::mem::forget(self);
                begun.map(|_| ())
            }
            _ => self.runtime.block_on(self.connection.close()),
        };
        ended.map_err(io::Error::other)
    }
}

/// Starts a process that nobody waits for.
pub fn leave_behind() -> io::Result<()> {
    let mut sleep = Command::new("sleep");
    sleep.arg("600").stdin(Stdio::null());
    sleep.stdout(Stdio::null()).stderr(Stdio::null());
    sleep.spawn().map(drop)
}
