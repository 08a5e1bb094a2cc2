//! Deploys of a server: an old version that serves, and a command that replaces it, or tries to.
//!
//! # What must hold
//! - Nothing is left running, neither the old version nor what the command has started.

use std::fmt::Write;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use lameduck_check::{Plan, Trigger};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};

use crate::planted::{Way, free_address};

/// What the command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deploy {
    /// Starts the new version on the same socket, waits until it is ready, and stops the old one.
    Right,
    /// Stops the old version, and then starts the new one.
    StopsFirst,
    /// As [`Right`](Self::Right); but the old version closes instead of answering.
    Closes,
    /// Ends with 3, and has done nothing.
    Fails,
    /// Starts a version that never gets ready, ends it, and fails.
    RollsBack,
    /// The same, after it has stopped the old version, which it then starts again.
    RollsBackLate,
    /// As [`RollsBack`](Self::RollsBack); but says that all is well.
    Forgets,
}

/// Load before the command, and after it.
const BEFORE: Duration = Duration::from_millis(700);
const AFTER: Duration = Duration::from_millis(1000);

/// A version that takes so long to start, in milliseconds, never gets ready.
const NEVER: &str = "600000";

/// What runs beside the prover.
pub struct Deployed {
    old: Child,
    /// Where the command writes what it has started.
    started: PathBuf,
    _socket: Option<TcpListener>,
}

impl Deploy {
    fn expects_rollback(self) -> bool {
        matches!(self, Self::RollsBack | Self::RollsBackLate | Self::Forgets)
    }

    /// Whether both versions are given one socket.
    fn shares_socket(self) -> bool {
        !matches!(self, Self::StopsFirst | Self::RollsBackLate)
    }

    /// Starts the old version, and has the plan be about its deploy.
    pub fn set_up(self, plan: &mut Plan, folder: &Path) -> anyhow::Result<Deployed> {
        let old = plan.command.clone();
        let started = folder.join("started");
        let admin = option(&old, "--admin")?;
        let new_admin = free_address(Way::LOOPBACK.listens)?.to_string();
        let mut new = with(&old, "--admin", &new_admin)?;
        let mut old = match self {
            Self::Closes => with(&old, "--fault", "closes")?,
            _ => old,
        };
        let socket = match self.shares_socket() {
            true => Some(shared_socket(&option(&old, "--listen")?)?),
            false => None,
        };
        if socket.is_some() {
            old.push("--inherits".to_owned());
            new.push("--inherits".to_owned());
        }
        let never = with(&new, "--start-up", NEVER)?;
        let child = start(&old, socket.as_ref())?;
        let script = Script {
            old: child.id(),
            socket: socket.as_ref().map(AsRawFd::as_raw_fd),
            started: &started,
        };
        let script = match self {
            Self::Right | Self::Closes => [
                script.begins(),
                script.starts(&new, &new_admin),
                script.stops(),
            ],
            Self::StopsFirst => [
                script.begins(),
                script.stops(),
                script.starts(&new, &new_admin),
            ],
            Self::Fails => [
                "echo no such image >&2\nexit 3\n".to_owned(),
                String::new(),
                String::new(),
            ],
            Self::RollsBack => [script.begins(), script.tries(&never), "exit 1\n".to_owned()],
            Self::RollsBackLate => [
                script.begins() + &script.stops(),
                script.tries(&never),
                script.starts(&old, &admin) + "exit 1\n",
            ],
            Self::Forgets => [script.begins(), script.tries(&never), "exit 0\n".to_owned()],
        };
        let mut trigger = Trigger::new(["bash", "-c", &script.concat()]);
        trigger.before = BEFORE;
        trigger.after = AFTER;
        trigger.expect_rollback = self.expects_rollback();
        plan.trigger = Some(trigger);
        // Two versions have two of each, and no books in common.
        (plan.ready, plan.live, plan.ledger) = (None, None, None);
        plan.notice = None;
        plan.post.clear();
        Ok(Deployed {
            old: child,
            started,
            _socket: socket,
        })
    }
}

/// The parts of a command.
struct Script<'a> {
    old: u32,
    socket: Option<i32>,
    started: &'a Path,
}

impl Script<'_> {
    fn begins(&self) -> String {
        "is_ready() { (exec 3<>/dev/tcp/${1/://}) 2>/dev/null; }\n\
         has_ended() { ! kill -0 $1 2>/dev/null || grep -q '^State:.Z' /proc/$1/status; }\n"
            .to_owned()
    }

    fn run(&self, command: &[String]) -> String {
        let stdin = match self.socket {
            Some(fd) => format!("<&{fd}"),
            None => "</dev/null".to_owned(),
        };
        let words: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
        let started = self.started.display();
        format!(
            "{} {stdin} >/dev/null &\nnew=$!; echo $new >>'{started}'\n",
            words.join(" ")
        )
    }

    /// A version, until it is ready.
    fn starts(&self, command: &[String], admin: &str) -> String {
        self.run(command) + &format!("until is_ready {admin}; do sleep 0.02; done\n")
    }

    /// The old version, until it has ended.
    fn stops(&self) -> String {
        let old = self.old;
        format!("kill -TERM {old}\nuntil has_ended {old}; do sleep 0.02; done\n")
    }

    /// A version that does not get ready in half a second, which is how long this command waits for it.
    fn tries(&self, command: &[String]) -> String {
        let mut script = self.run(command);
        let _ = writeln!(script, "sleep 0.5; kill -TERM $new; wait $new");
        script
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        let started = std::fs::read_to_string(&self.started).unwrap_or_default();
        let pids = started.lines().filter_map(|line| line.parse().ok());
        for pid in pids.filter_map(Pid::from_raw) {
            // Most of them have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.old.kill();
        let _ = self.old.wait();
    }
}

/// A socket that what is started from here has too.
fn shared_socket(address: &str) -> anyhow::Result<TcpListener> {
    let socket =
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    fcntl_setfd(&socket, FdFlags::empty()).context("cannot share a socket")?;
    Ok(socket)
}

fn start(command: &[String], socket: Option<&TcpListener>) -> anyhow::Result<Child> {
    let [program, arguments @ ..] = command else {
        bail!("no command")
    };
    let stdin = match socket {
        Some(socket) => OwnedFd::from(socket.try_clone().context("cannot share a socket")?).into(),
        None => Stdio::null(),
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(stdin).stdout(Stdio::null());
    let child = command.stderr(Stdio::null()).spawn();
    child.with_context(|| format!("cannot start {program}"))
}

fn option(command: &[String], name: &str) -> anyhow::Result<String> {
    let mut words = command.iter();
    words.find(|word| *word == name);
    let value = words.next();
    value
        .cloned()
        .with_context(|| format!("the server has no {name}"))
}

/// A command with another value of an option.
fn with(command: &[String], name: &str, value: &str) -> anyhow::Result<Vec<String>> {
    let mut command = command.to_vec();
    let mut words = command.iter_mut();
    words.find(|word| *word == name);
    *words
        .next()
        .with_context(|| format!("the server has no {name}"))? = value.to_owned();
    Ok(command)
}
