//! A server process: its output in a file, on a leash, ended with everything it started.
//!
//! The leash is a shell that reads from a pipe of ours. Should this process be killed, so that nothing
//! is dropped, the kernel closes the pipe, the shell sees its end, ends the server and removes the
//! folder. A signal on the death of the parent (`PR_SET_PDEATHSIG`) would not do: it comes with the
//! death of the *thread* that started the child, and test threads are short-lived.

use std::fs::OpenOptions;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::process_tree;

/// How long a server may take to be ready. RabbitMQ takes 8 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How long a server may take to follow the signal that asks it to end at once.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The process group, the signal's name, the folder. What has left the group ends by itself when its
/// parent is gone. This form of `kill` is the one that every shell takes a group in.
const LEASH: &str =
    r#"read -r _; kill -s "$2" -- "-$1"; sleep 1; kill -s KILL -- "-$1"; rm -rf -- "$3""#;

#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    folder: PathBuf,
    /// What makes it end at once and leave nothing behind.
    end: Signal,
    running: Option<RunningDaemon>,
}

#[derive(Debug)]
struct RunningDaemon {
    server: Child,
    leash: Child,
}

/// How to see that a server is ready.
pub(crate) struct DaemonReady {
    /// What it writes then.
    pub(crate) says: &'static str,
    /// Where it listens then.
    pub(crate) port: u16,
}

impl Daemon {
    /// Nothing runs yet. `folder` is where the output goes, and what the leash removes.
    pub(crate) fn new(name: &'static str, folder: &Path, end: Signal) -> Daemon {
        Daemon {
            name,
            folder: folder.to_owned(),
            end,
            running: None,
        }
    }

    /// Starts the server and waits until it is ready.
    ///
    /// # Panics
    /// If it ends or is not ready in time, with its output; if it is running already.
    pub(crate) fn start(&mut self, mut command: Command, ready: Option<DaemonReady>) {
        assert!(self.running.is_none(), "{} is running already", self.name);
        let said_before = self.output_len();
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.output_file())
            .unwrap_or_else(|error| panic!("{}: {error}", self.output_file().display()));
        let errors = output
            .try_clone()
            .unwrap_or_else(|error| panic!("{}: {error}", self.output_file().display()));
        let server = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C is for the test; what it started follows when the test is gone.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
        let leash = Command::new("/bin/sh")
            .args(["-c", LEASH, "leash"])
            .arg(server.id().to_string())
            .arg(if self.end == Signal::QUIT {
                "QUIT"
            } else {
                "KILL"
            })
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("/bin/sh: {error}"));
        self.running = Some(RunningDaemon { server, leash });
        if let Some(ready) = ready {
            self.wait_until(&ready, said_before);
        }
    }

    fn wait_until(&mut self, ready: &DaemonReady, said_before: u64) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ready.port));
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if self.said_since(said_before).contains(ready.says)
                && TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            {
                return;
            }
            if let Some(status) = self.exit_status() {
                panic!(
                    "{} ended with {status} before it was ready:\n{}",
                    self.name,
                    self.said_since(said_before)
                );
            }
            assert!(
                Instant::now() < deadline,
                "{} was not ready after {START_LIMIT:?}:\n{}",
                self.name,
                self.said_since(said_before)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything that was written so far, by this process and those before it in the same folder.
    pub(crate) fn output(&self) -> String {
        self.said_since(0)
    }

    /// The numbers of the server's processes at this moment.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let number = |pid: Pid| pid.as_raw_nonzero().get().unsigned_abs();
        self.tree().into_iter().map(number).collect()
    }

    /// The server's processes at this moment, its first one first.
    pub(crate) fn tree(&self) -> Vec<Pid> {
        let running = self.running.as_ref();
        running.map_or_else(Vec::new, |it| process_tree::all(pid_of(&it.server)))
    }

    /// SIGKILL to the server and all that it started; returns when they are gone.
    pub(crate) fn kill(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        running.unleash();
        let killed = process_tree::kill(pid_of(&running.server));
        // It was killed just now; without waiting, it would stay in the process table.
        let _ = running.server.wait();
        process_tree::wait_until_gone(&killed);
    }

    /// Ends the server by the signal that leaves nothing behind, by force if that takes too long.
    fn end(&mut self) {
        if let Some(running) = &mut self.running
            && self.end != Signal::KILL
        {
            let everybody = process_tree::all(pid_of(&running.server));
            let _ = kill_process(pid_of(&running.server), self.end);
            let deadline = Instant::now() + END_LIMIT;
            while matches!(running.server.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
            if matches!(running.server.try_wait(), Ok(Some(_))) {
                running.unleash();
                self.running = None;
                process_tree::wait_until_gone(&everybody);
            }
        }
        self.kill();
    }

    fn exit_status(&mut self) -> Option<std::process::ExitStatus> {
        self.running.as_mut()?.server.try_wait().ok().flatten()
    }

    fn output_file(&self) -> PathBuf {
        self.folder.join(format!("{}.out", self.name))
    }

    fn output_len(&self) -> u64 {
        self.output_file().metadata().map_or(0, |meta| meta.len())
    }

    fn said_since(&self, offset: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = std::fs::File::open(self.output_file()) {
            // A file that cannot be read has said nothing; the deadline tells.
            let _ = file.read_to_end(&mut bytes);
        }
        let offset = usize::try_from(offset).unwrap_or(0).min(bytes.len());
        String::from_utf8_lossy(&bytes[offset..]).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl RunningDaemon {
    /// Before the server is waited for: its number may then belong to somebody else.
    fn unleash(&mut self) {
        let _ = self.leash.kill();
        let _ = self.leash.wait();
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}
