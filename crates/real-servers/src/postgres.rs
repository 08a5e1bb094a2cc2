//! PostgreSQL.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::NotHere;
use crate::daemon::{Daemon, DaemonReady};
use crate::port::Port;
use crate::program;

/// A PostgreSQL cluster of its own, without passwords, whose log tells each connection and each
/// disconnection. It survives [`kill`](Postgres::kill), not a crash of the machine.
#[derive(Debug)]
pub struct Postgres {
    // Ended before its folder goes.
    daemon: Daemon,
    folder: TempDir,
    port: Port,
    programs: PathBuf,
    account: Option<Account>,
}

/// PostgreSQL refuses to run as root, so then it runs as this user.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// A new, empty cluster, ready for connections: about a second.
    ///
    /// # Errors
    /// [`NotHere`] if neither `PATH` nor `/usr/lib/postgresql` has `postgres` and `initdb`.
    ///
    /// # Panics
    /// If it does not start, with its output.
    pub fn start() -> Result<Postgres, NotHere> {
        let not_here = NotHere::new("postgres", "apt-get install postgresql");
        let beside = program::versions("/usr/lib/postgresql", "bin");
        let programs = program::folder_with(&["postgres", "initdb"], &beside).ok_or(not_here)?;
        let folder = tempfile::Builder::new()
            .prefix("real-postgres-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let account = rustix::process::geteuid()
            .is_root()
            .then(Account::of_postgres);
        if let Some(Account { user, group }) = account {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))
                .unwrap_or_else(|error| panic!("{}: {error}", folder.path().display()));
        }
        // SIGQUIT is PostgreSQL's "at once, without goodbye"; unlike SIGKILL it lets the server give
        // back the System V shared memory, of which a machine has only so much.
        let daemon = Daemon::new("postgres", folder.path(), Signal::QUIT);
        let mut postgres = Postgres {
            daemon,
            folder,
            port: Port::free(),
            programs,
            account,
        };
        postgres.initialise();
        postgres.start_again();
        Ok(postgres)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // A locale that is not installed would keep it from starting.
        command.env("LC_ALL", "C").current_dir(self.folder.path());
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    fn initialise(&self) {
        let output = self
            .command("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync"])
            .args(["--encoding=UTF8", "--no-locale"])
            .arg("--pgdata")
            .arg(self.folder.path().join("data"))
            .output()
            .unwrap_or_else(|error| panic!("initdb: {error}"));
        assert!(
            output.status.success(),
            "initdb ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// For example `postgres://postgres@127.0.0.1:15432/postgres`; no password is asked for.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{}/postgres",
            self.port.number()
        )
    }

    /// The server's log so far, that of runs before [`start_again`](Postgres::start_again) included.
    /// Each line begins with a time and the number of the session's process in brackets.
    pub fn log(&self) -> String {
        self.daemon.output()
    }

    /// SIGKILL to the server and all its sessions. Returns when they are gone.
    pub fn kill(&mut self) {
        self.daemon.kill();
        self.give_back_shared_memory();
    }

    /// Starts a server that was killed, on the same port with the same data; waits until it is ready.
    ///
    /// # Panics
    /// If it is still running, or does not start.
    pub fn start_again(&mut self) {
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.number().to_string()])
            // No fsync: a test's data need not survive the machine.
            .arg("-F");
        for setting in [
            "listen_addresses=127.0.0.1",
            "log_connections=on",
            "log_disconnections=on",
            "log_line_prefix=%m [%p] ",
            "log_destination=stderr",
            "logging_collector=off",
            "max_connections=200",
            // Files in the folder, so that even a killed server leaves nothing in /dev/shm.
            "dynamic_shared_memory_type=mmap",
        ] {
            command.args(["-c", setting]);
        }
        let ready = DaemonReady {
            says: "database system is ready to accept connections",
            port: self.port.number(),
        };
        self.daemon.start(command, Some(ready));
    }

    /// The numbers of its processes at this moment, the main one first; none after
    /// [`kill`](Postgres::kill).
    pub fn processes(&self) -> Vec<u32> {
        self.daemon.processes()
    }

    /// A killed server cannot give back its System V segment. Its lock file names it in line 7 as
    /// `KEY ID`; the next start would clean up too, but there may be none.
    fn give_back_shared_memory(&self) {
        let lock_file = self.folder.path().join("data/postmaster.pid");
        let lock = std::fs::read_to_string(lock_file).unwrap_or_default();
        let segment = lock
            .lines()
            .nth(6)
            .and_then(|line| line.split_whitespace().nth(1));
        if let Some(segment) = segment {
            // Without `ipcrm`, or if it is gone already, 56 bytes stay until the machine restarts.
            let _ = Command::new("ipcrm").args(["-m", segment]).output();
        }
    }
}

impl Account {
    fn of_postgres() -> Account {
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        accounts
            .lines()
            .find_map(|line| {
                let mut fields = line.split(':');
                if fields.next() != Some("postgres") {
                    return None;
                }
                Some(Account {
                    user: fields.nth(1)?.parse().ok()?,
                    group: fields.next()?.parse().ok()?,
                })
            })
            .unwrap_or_else(|| {
                panic!("PostgreSQL does not run as root, and /etc/passwd has no user `postgres`")
            })
    }
}
