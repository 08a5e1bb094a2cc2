//! A command: started anew for each round, with its whole tree of processes, from spawn to exit.
//!
//! # What must hold
//! - The signal goes to the main process alone, as orchestrators send it; what else belongs to the tree is only looked at.
//! - When the target is dropped or cleared away, nothing of its tree runs any more, wherever it has gone.

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt};
use rustix::process::{Pid, PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::capability::Capabilities;
use super::contract::{Target, TreeEnd};
use super::error::TargetError;
use super::exit::ProcessExit;
use super::inherited;
use super::leash::Leash;
use super::notify::Notified;
use super::output::Output;
use super::readiness::{self, Rejected};
use super::signal::StopSignal;
use super::tree::{self, Process};
use super::wrapper::{self, WrapperFault};
use crate::plan::{Plan, ReadyWhen};
use crate::wire::Wire;

/// What still runs so long after the main process was left behind: whoever reads from it needs a moment to see its end.
const MOMENT: Duration = Duration::from_millis(500);

/// A started command.
#[derive(Debug)]
pub(crate) struct CommandTarget {
    leash: Leash,
    main: Main,
    started: Instant,
    output: Output,
    readers: JoinSet<()>,
    notified: Option<Notified>,
    signal: StopSignal,
    address: std::net::SocketAddr,
    /// The main process as it was when the target was ready.
    seen: Option<Process>,
    followed: Option<Process>,
    wrapper: Option<String>,
}

/// The process that gets the signal.
#[derive(Debug)]
struct Main {
    pid: i32,
    /// Its number may be somebody else's once it has ended; this is not. Older kernels have none.
    handle: Option<OwnedFd>,
}

impl Main {
    fn of(pid: i32) -> Self {
        let known = Pid::from_raw(pid);
        Self {
            pid,
            handle: known.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()),
        }
    }

    fn send(&self, signal: StopSignal) -> bool {
        let signal = signal.to_signal();
        match (&self.handle, Pid::from_raw(self.pid)) {
            (Some(handle), _) => pidfd_send_signal(handle, signal).is_ok(),
            (None, Some(pid)) => kill_process(pid, signal).is_ok(),
            (None, None) => false,
        }
    }
}

impl CommandTarget {
    /// Starts the command in a process group of its own, after making sure that nothing else serves its address.
    pub(crate) async fn start(plan: &Plan) -> Result<Self, TargetError> {
        for destination in plan.url.destinations() {
            let is_free =
                plan.continuous || Wire::default().connect(destination.clone()).await.is_err();
            if !is_free {
                return Err(TargetError::PortTaken { destination });
            }
        }
        let spawn_error = |reason| TargetError::Spawn {
            command: plan.command.join(" "),
            reason,
        };
        let (program, arguments) = plan
            .command
            .split_first()
            .ok_or_else(|| spawn_error(std::io::ErrorKind::NotFound.into()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .env_remove("LAMEDUCK_REPORT")
            // Those of the prover, if it has any, are not the target's.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .envs(plan.env.iter().map(|(name, value)| (name, value)));
        if plan.tell_grace {
            command.env(
                "LAMEDUCK_GRACE",
                humantime::format_duration(plan.grace)
                    .to_string()
                    .replace(' ', ""),
            );
        }
        let notified = match plan.ready_when {
            ReadyWhen::Notified => Some(Notified::bind().map_err(TargetError::NotifySocket)?),
            _ => None,
        };
        if let Some(notified) = &notified {
            command.env("NOTIFY_SOCKET", notified.address());
        }
        inherited::begin_anew();
        let started = Instant::now();
        let (leash, mut child) = Leash::start(&mut command).await.map_err(spawn_error)?;
        let pid = leash
            .target()
            .ok_or_else(|| spawn_error(std::io::ErrorKind::BrokenPipe.into()))?;
        let output = Output::default();
        let mut readers = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(output.clone().drain(pipe));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.spawn(output.clone().drain(pipe));
        }
        // The guardian's own end is nobody's business, but somebody has to wait for it.
        tokio::spawn(async move { drop(child.wait().await) });
        Ok(Self {
            leash,
            main: Main::of(pid),
            started,
            output,
            readers,
            notified,
            signal: plan.signal,
            address: plan.url.address,
            seen: None,
            followed: None,
            wrapper: None,
        })
    }

    /// The whole tree, as it is now.
    async fn tree(&self) -> Vec<Process> {
        let (root, address) = (self.leash.guardian(), self.address);
        let looked = tokio::task::spawn_blocking(move || tree::below(root, address));
        looked.await.unwrap_or_default()
    }

    /// Whether the main process has only started another one in the background, and ended.
    fn is_in_background(&self) -> bool {
        let ended = self.ended();
        ended.is_some_and(|exit| exit.code == Some(0)) && !self.leash.is_over()
    }

    /// From now on the process that went into the background is the main one: the one that listens, or below which one
    /// listens, else the only one there is.
    async fn follow(&mut self) -> Result<(), TargetError> {
        let (tree, root) = (self.tree().await, self.leash.guardian());
        let listening = tree.iter().filter(|process| process.listens);
        let mut branches: Vec<&Process> = listening
            .filter_map(|process| tree::branch(&tree, root, process.pid))
            .collect();
        branches.dedup();
        if branches.is_empty() {
            branches = tree
                .iter()
                .filter(|process| process.parent == root)
                .collect();
        }
        match branches[..] {
            [one] => {
                self.main = Main::of(one.pid);
                self.followed = Some(one.clone());
                Ok(())
            }
            // They have ended just now.
            [] => Ok(()),
            _ => Err(TargetError::Background {
                processes: tree
                    .iter()
                    .map(|it| format!("\n  {}", it.named()))
                    .collect(),
            }),
        }
    }

    /// Whether it says that it is ready, in the way that it was asked for.
    async fn look(&self, plan: &Plan, rejected: &mut Rejected) -> Result<Instant, String> {
        let said = match &plan.ready_when {
            ReadyWhen::Answered => return readiness::look(plan, rejected).await,
            ReadyWhen::Listening => true,
            ReadyWhen::Line(line) => self.output.says(line),
            ReadyWhen::Notified => self.notified.as_ref().is_some_and(Notified::is_ready),
        };
        match said {
            true => readiness::knock(plan).await,
            false => Err("it has not said so".to_owned()),
        }
    }

    fn last_output(&self) -> String {
        let text = self.output.text(None);
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() {
            return "  (nothing)".to_owned();
        }
        let last: Vec<String> = lines[lines.len().saturating_sub(20)..]
            .iter()
            .map(|line| format!("  {line}"))
            .collect();
        last.join("\n")
    }

    /// Whether the main process is a wrapper, and another one serves on without it.
    fn wrapped(&self, tree: &[Process], fault: WrapperFault) -> Option<String> {
        let main = self.seen.as_ref().filter(|main| !main.listens)?;
        let server = tree.iter().find(|process| process.listens)?;
        Some(wrapper::told(fault, main, server, &self.signal.to_string()))
    }
}

impl Target for CommandTarget {
    fn capabilities(&self) -> Capabilities {
        Capabilities::COMMAND
    }

    fn started(&self) -> Instant {
        self.started
    }

    fn ready<'a>(&'a mut self, plan: &'a Plan) -> BoxFuture<'a, Result<Instant, TargetError>> {
        async move {
            let deadline = self.started + plan.start_timeout;
            let mut rejected = Rejected::default();
            let ready_at = loop {
                let last = match self.look(plan, &mut rejected).await {
                    Ok(at) => break at,
                    Err(last) => last,
                };
                if let Some(exit) = self.ended()
                    && !self.is_in_background()
                {
                    self.drain().await;
                    return Err(TargetError::EndedEarly {
                        how: exit.describe(),
                        output: self.last_output(),
                    });
                }
                if Instant::now() >= deadline {
                    return Err(TargetError::NeverReady {
                        waited: plan.start_timeout,
                        last,
                        fix: plan.what_to_check(),
                        output: self.last_output(),
                    });
                }
                tokio::time::sleep(readiness::PAUSE).await;
            };
            if self.is_in_background() {
                self.follow().await?;
            }
            let tree = self.tree().await;
            self.seen = tree.into_iter().find(|it| it.pid == self.main.pid);
            Ok(ready_at)
        }
        .boxed()
    }

    fn signal(&mut self, signal: StopSignal) -> BoxFuture<'_, Result<Instant, TargetError>> {
        async move {
            if self.is_in_background() {
                self.follow().await?;
            }
            if self.ended().is_none() {
                let at = Instant::now();
                if self.main.send(signal) {
                    return Ok(at);
                }
            }
            let how = self.ended().map_or_else(
                || "it cannot be signalled".to_owned(),
                |exit| exit.describe(),
            );
            self.drain().await;
            Err(TargetError::EndedUnderLoad {
                how,
                output: self.last_output(),
            })
        }
        .boxed()
    }

    fn ended(&self) -> Option<ProcessExit> {
        self.leash.ended(self.main.pid)
    }

    fn wait_until(&mut self, deadline: Instant) -> BoxFuture<'_, Option<ProcessExit>> {
        async move {
            let ended = self.leash.until_ended(self.main.pid);
            tokio::time::timeout_at(deadline.into(), ended).await.ok()
        }
        .boxed()
    }

    /// Kills all of the tree, if the main process still runs, and waits for the end.
    fn give_up(&mut self) -> BoxFuture<'_, ProcessExit> {
        async move {
            let killed = self.ended().is_none();
            if killed {
                let tree = self.tree().await;
                self.wrapper = self.wrapped(&tree, WrapperFault::KeptTheSignal);
            }
            self.leash.end().await;
            ProcessExit {
                killed,
                ..self.ended().unwrap_or_else(ProcessExit::unseen)
            }
        }
        .boxed()
    }

    /// A descendant that holds the pipes open is not waited for.
    fn drain(&mut self) -> BoxFuture<'_, ()> {
        async move {
            let all = async { while self.readers.join_next().await.is_some() {} };
            drop(tokio::time::timeout(Duration::from_millis(300), all).await);
        }
        .boxed()
    }

    fn said_since(&self, since: Instant) -> String {
        self.output.text(Some(since))
    }

    fn clear_away(&mut self) -> BoxFuture<'_, Option<TreeEnd>> {
        async move {
            let ended = self.ended().map_or_else(Instant::now, |exit| exit.at);
            // At least one look, however late the end was noticed.
            let moment = (ended + MOMENT).max(Instant::now() + readiness::PAUSE);
            let is_over = self.leash.until_over(moment).await;
            let looked = Instant::now();
            let left = match is_over {
                true => Vec::new(),
                false => self.tree().await,
            };
            let wrapper = self.wrapped(&left, WrapperFault::LeftTheServer);
            self.leash.end().await;
            Some(TreeEnd {
                looked,
                left,
                followed: self.followed.take(),
                wrapper: self.wrapper.take().or(wrapper),
            })
        }
        .boxed()
    }
}
