//! A server in a process of its own, and what it uses.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use crate::certificate::Certificate;
use crate::serve::Server;

/// How long a server may take to accept its first connection.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// The same if a tool runs the program that makes it many times slower.
const STARTS_UNDER_TOOL_WITHIN: Duration = Duration::from_secs(60);

/// A server that runs. Killed when dropped.
pub struct Process {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
}

impl Process {
    /// Starts the server and waits until it accepts.
    pub fn start(server: Server) -> anyhow::Result<Process> {
        Process::start_with(server, None, &[], &[])
    }

    /// The same; it speaks TLS if there is a certificate, and has these variables set and these arguments more.
    pub fn start_with(
        server: Server,
        certificate: Option<&Certificate>,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> anyhow::Result<Process> {
        Process::spawn(
            Command::new(this_program()?),
            server,
            certificate,
            variables,
            arguments,
            STARTS_WITHIN,
        )
    }

    /// Starts the server under `tool`, a command that runs the one that follows it, and must do so in the process
    /// that it is given.
    pub fn start_under(
        mut tool: Command,
        server: Server,
        arguments: &[&str],
    ) -> anyhow::Result<Process> {
        tool.arg(this_program()?);
        Process::spawn(tool, server, None, &[], arguments, STARTS_UNDER_TOOL_WITHIN)
    }

    fn spawn(
        mut command: Command,
        server: Server,
        certificate: Option<&Certificate>,
        variables: &[(&str, &str)],
        arguments: &[&str],
        patience: Duration,
    ) -> anyhow::Result<Process> {
        let address = free_address()?;
        let name = server.name();
        command
            .args(["serve", &name, &address.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // lameduck's report of the shutdown.
            .stderr(Stdio::null());
        if let Some(certificate) = certificate {
            command.arg("--tls").arg(certificate.folder());
        }
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if text.starts_with("LAMEDUCK_") || text.starts_with("LISTEN_") {
                command.env_remove(&variable);
            }
        }
        command.envs(variables.iter().copied());
        let child = command
            .spawn()
            .with_context(|| format!("cannot start the {name} server"))?;
        let mut process = Process { child, address };
        let began = Instant::now();
        loop {
            match TcpStream::connect(address) {
                Ok(_) => return Ok(process),
                Err(e) if began.elapsed() > patience => {
                    bail!("the {name} server did not accept on {address} in time: {e}")
                }
                Err(_) => {}
            }
            if let Some(status) = process.child.try_wait()? {
                bail!("the {name} server ended at its start: {status}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGTERM and waits for the end, which must come within `patience`.
    pub fn stop(mut self, patience: Duration) -> anyhow::Result<Stopped> {
        let pid = self.pid()?;
        let (done, ended) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let signalled = Instant::now();
            kill_process(pid, Signal::TERM).context("cannot send SIGTERM")?;
            let child = &mut self.child;
            scope.spawn(move || {
                let status = child.wait();
                let _ = done.send((Instant::now(), status));
            });
            match ended.recv_timeout(patience) {
                Ok((at, status)) => Ok(Stopped {
                    signalled,
                    ended: at,
                    status: status.context("cannot wait for the server")?,
                }),
                Err(_) => {
                    // Lets the waiting thread, and so this scope, end.
                    kill_process(pid, Signal::KILL).context("cannot send SIGKILL")?;
                    bail!("the server had not ended {patience:?} after SIGTERM")
                }
            }
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that are its own and in use.
    pub fn resident(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/statm", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let pages: u64 = text
            .split_ascii_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .with_context(|| format!("{path}: no second number in {text:?}"))?;
        Ok(pages * rustix::param::page_size() as u64)
    }

    /// Processor time that its threads have used, in user and kernel mode.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut nanos = 0;
        for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
            let path = task?.path().join("schedstat");
            // A thread may have ended since it was listed.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let first = text.split_ascii_whitespace().next();
            nanos += first
                .and_then(|n| n.parse::<u64>().ok())
                .with_context(|| format!("{}: no number in {text:?}", path.display()))?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("the server has no process id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already; there is nothing to do about an error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a server ended.
pub struct Stopped {
    /// When SIGTERM was sent.
    pub signalled: Instant,
    /// When the process was gone.
    pub ended: Instant,
    /// Its exit status.
    pub status: ExitStatus,
}

/// This program's own file.
pub fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find this program's own file")
}

/// An address on which nothing listens just now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .context("cannot find a free port on 127.0.0.1")
}

/// Raises the limit of open files as far as the system allows, for this process and the servers it
/// starts; complains if that is less than `needed`.
pub fn allow_open_files(needed: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .context("cannot raise the limit of open files")?;
    match limit.maximum {
        Some(most) if most < needed => bail!(
            "{needed} open files are needed but only {most} are allowed: ask for fewer \
             connections, or raise the hard limit (ulimit -Hn)"
        ),
        _ => Ok(()),
    }
}
