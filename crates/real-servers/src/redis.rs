//! Redis.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::NotHere;
use crate::daemon::{Daemon, DaemonReady};
use crate::port::Port;
use crate::program;

/// A Redis server that writes every command to its append-only file before it answers, so that
/// [`kill`](Redis::kill) loses nothing that was answered.
#[derive(Debug)]
pub struct Redis {
    // Ended before its folder goes.
    daemon: Daemon,
    folder: TempDir,
    port: Port,
    program: PathBuf,
}

impl Redis {
    /// A new, empty server, ready for connections: about 50 ms.
    ///
    /// # Errors
    /// [`NotHere`] if `redis-server` is not in `PATH`.
    ///
    /// # Panics
    /// If it does not start, with its output.
    pub fn start() -> Result<Redis, NotHere> {
        let not_here = NotHere::new("redis-server", "apt-get install redis-server");
        let programs = program::folder_with(&["redis-server"], &[]).ok_or(not_here)?;
        let folder = tempfile::Builder::new()
            .prefix("real-redis-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let daemon = Daemon::new("redis", folder.path(), Signal::KILL);
        let mut redis = Redis {
            daemon,
            folder,
            port: Port::free(),
            program: programs.join("redis-server"),
        };
        redis.start_again();
        Ok(redis)
    }

    /// For example `redis://127.0.0.1:16379`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port.number())
    }

    /// The server's log so far, that of runs before [`start_again`](Redis::start_again) included.
    pub fn log(&self) -> String {
        self.daemon.output()
    }

    /// SIGKILL. Returns when it is gone.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts a server that was killed, on the same port with the same data; waits until it is ready.
    ///
    /// # Panics
    /// If it is still running, or does not start.
    pub fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &self.port.number().to_string()])
            .args(["--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(["--save", ""])
            .args(["--appendonly", "yes"])
            .args(["--daemonize", "no"])
            .current_dir(self.folder.path());
        let ready = DaemonReady {
            says: "Ready to accept connections",
            port: self.port.number(),
        };
        self.daemon.start(command, Some(ready));
    }

    /// The numbers of its processes at this moment; none after [`kill`](Redis::kill).
    pub fn processes(&self) -> Vec<u32> {
        self.daemon.processes()
    }
}
