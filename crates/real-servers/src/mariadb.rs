//! MariaDB.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::NotHere;
use crate::daemon::{Daemon, DaemonReady};
use crate::port::Port;
use crate::program;

/// A MariaDB server without passwords, whose log tells each session that ends without a goodbye.
#[derive(Debug)]
pub struct MariaDb {
    // Ended before its folder goes.
    daemon: Daemon,
    folder: TempDir,
    port: Port,
    server: PathBuf,
}

impl MariaDb {
    /// A new, empty server, ready for connections: about 4 s.
    ///
    /// # Errors
    /// [`NotHere`] if `mariadbd` or `mariadb-install-db` is neither in `PATH` nor in `/usr/sbin`.
    ///
    /// # Panics
    /// If it does not start, with its output.
    pub fn start() -> Result<MariaDb, NotHere> {
        let not_here = || NotHere::new("mariadb-server", "apt-get install mariadb-server");
        let beside = [PathBuf::from("/usr/sbin")];
        let find = |program| {
            let folder = program::folder_with(&[program], &beside).ok_or_else(not_here)?;
            Ok(folder.join(program))
        };
        let (server, install) = (find("mariadbd")?, find("mariadb-install-db")?);
        let folder = tempfile::Builder::new()
            .prefix("real-mariadb-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let mut mariadb = MariaDb {
            daemon: Daemon::new("mariadb", folder.path(), Signal::KILL),
            folder,
            port: Port::free(),
            server,
        };
        mariadb.initialise(Command::new(install));
        mariadb.start_again();
        Ok(mariadb)
    }

    /// The machine's own settings are not ours.
    fn with_our_settings(&self, mut command: Command) -> Command {
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.data().display()))
            // In a folder that is shared, two that start would take each other's files.
            .arg(format!("--tmpdir={}", self.folder.path().display()))
            .current_dir(self.folder.path());
        if rustix::process::geteuid().is_root() {
            command.arg("--user=root");
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn initialise(&self, install: Command) {
        let output = self
            .with_our_settings(install)
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .unwrap_or_else(|error| panic!("mariadb-install-db: {error}"));
        assert!(
            output.status.success(),
            "mariadb-install-db ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// For example `mysql://root@127.0.0.1:13306/mysql`; no password is asked for.
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/mysql", self.port.number())
    }

    /// The server's log so far, that of runs before [`start_again`](MariaDb::start_again) included.
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
        let mut command = self.with_our_settings(Command::new(&self.server));
        command
            .arg(format!("--port={}", self.port.number()))
            .arg(format!(
                "--socket={}",
                self.folder.path().join("socket").display()
            ))
            .arg("--bind-address=127.0.0.1")
            // From 2 on it warns of sessions that were aborted.
            .arg("--log-warnings=2")
            // A test's data need not survive the machine.
            .arg("--innodb-flush-log-at-trx-commit=0");
        let ready = DaemonReady {
            says: "ready for connections",
            port: self.port.number(),
        };
        self.daemon.start(command, Some(ready));
    }

    /// The numbers of its processes at this moment; none after [`kill`](MariaDb::kill).
    pub fn processes(&self) -> Vec<u32> {
        self.daemon.processes()
    }
}
