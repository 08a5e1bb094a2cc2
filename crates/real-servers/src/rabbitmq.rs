//! RabbitMQ.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::NotHere;
use crate::daemon::{Daemon, DaemonReady};
use crate::port::Port;
use crate::program;

/// A RabbitMQ broker with a name service (epmd) of its own. It takes about 8 s to start, so tests
/// that need no broker to themselves had better share one.
///
/// Left to itself, RabbitMQ would start an epmd in the background that outlives it. Here it runs in the
/// foreground, started first, and ends with the broker.
#[derive(Debug)]
pub struct RabbitMqServer {
    // Ended before their folder goes.
    broker: Daemon,
    names: Daemon,
    folder: TempDir,
    port: Port,
    names_port: Port,
    distribution_port: Port,
    program: PathBuf,
    names_program: PathBuf,
}

impl RabbitMqServer {
    /// A new, empty broker, ready for connections: about 8 s.
    ///
    /// # Errors
    /// [`NotHere`] if neither `/usr/lib/rabbitmq/bin` nor `PATH` has `rabbitmq-server`, or `epmd` is
    /// not in `PATH`.
    ///
    /// # Panics
    /// If it does not start, with its output.
    pub fn start() -> Result<RabbitMqServer, NotHere> {
        let not_here = || NotHere::new("rabbitmq-server", "apt-get install rabbitmq-server");
        // The script itself rather than Debian's wrapper in PATH, which would change the user.
        let script = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
        let program = if script.is_file() {
            script
        } else {
            program::folder_with(&["rabbitmq-server"], &[])
                .ok_or_else(not_here)?
                .join("rabbitmq-server")
        };
        let beside = [PathBuf::from("/usr/lib/erlang/bin")];
        let names_program = program::folder_with(&["epmd"], &beside)
            .ok_or_else(not_here)?
            .join("epmd");
        let folder = tempfile::Builder::new()
            .prefix("real-rabbitmq-")
            .tempdir()
            .unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let mut rabbitmq = RabbitMqServer {
            broker: Daemon::new("rabbitmq", folder.path(), Signal::KILL),
            names: Daemon::new("epmd", folder.path(), Signal::KILL),
            folder,
            port: Port::free(),
            names_port: Port::free(),
            distribution_port: Port::free(),
            program,
            names_program,
        };
        rabbitmq.start_again();
        Ok(rabbitmq)
    }

    /// For example `amqp://guest:guest@127.0.0.1:15672/%2f`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port.number())
    }

    /// The broker's log so far, that of runs before [`start_again`](RabbitMqServer::start_again) included.
    pub fn log(&self) -> String {
        self.broker.output()
    }

    /// SIGKILL to the broker and all that belongs to it. Returns when they are gone.
    pub fn kill(&mut self) {
        self.broker.kill();
        self.names.kill();
    }

    /// Starts a broker that was killed, on the same port with the same data; waits until it is ready.
    ///
    /// # Panics
    /// If it is still running, or does not start.
    pub fn start_again(&mut self) {
        let mut names = Command::new(&self.names_program);
        names
            .current_dir(self.folder.path())
            .args(["-address", "127.0.0.1"])
            .args(["-port", &self.names_port.number().to_string()]);
        self.names.start(names, None);

        let folder = self.folder.path();
        let mut broker = Command::new(&self.program);
        broker
            .current_dir(folder)
            // The cookie that guards the node lives there.
            .env("HOME", folder)
            .env("RABBITMQ_NODENAME", "broker@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.number().to_string())
            .env(
                "RABBITMQ_DIST_PORT",
                self.distribution_port.number().to_string(),
            )
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.names_port.number().to_string());
        let ready = DaemonReady {
            says: "Server startup complete",
            port: self.port.number(),
        };
        self.broker.start(broker, Some(ready));
    }

    /// The numbers of its processes at this moment; none after [`kill`](RabbitMqServer::kill).
    pub fn processes(&self) -> Vec<u32> {
        let mut processes = self.broker.processes();
        processes.extend(self.names.processes());
        processes
    }
}
