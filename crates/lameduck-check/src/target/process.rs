//! One start of the target, from spawn to exit.

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use thiserror::Error;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::inherited;
use super::output::Output;
use super::signal::StopSignal;
use crate::load::probe;
use crate::plan::{Plan, Readiness};

/// How the target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// When.
    pub at: Instant,
    /// Its exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// It did not end before the prover had sent its clients away, 4 s after its grace.
    pub released: bool,
    /// The prover had to kill it, 5 s after its grace.
    pub killed: bool,
}

impl Exit {
    /// As a shell shows it: the code, or 128 + the signal.
    pub fn shell_code(&self) -> i32 {
        self.code.unwrap_or_else(|| 128 + self.signal.unwrap_or(0))
    }

    /// In words, for evidence.
    pub fn describe(&self) -> String {
        if self.killed {
            return "had to be killed".to_owned();
        }
        let how = match self.code {
            Some(code) => format!("exit code {code}"),
            None => format!("ended by signal {}", self.signal.unwrap_or(0)),
        };
        match self.released {
            true => format!("{how}, once its clients had been sent away"),
            false => how,
        }
    }
}

/// Why the target could not be put under load. The command line shows these with exit 2.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The command does not start.
    #[error("cannot start `{command}`: {reason}; give the command and its arguments after `--`")]
    Spawn {
        /// The command.
        command: String,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Something serves the address although the target does not run.
    #[error(
        "something already listens on {address} before the target was started; stop it, or use another port"
    )]
    PortTaken {
        /// The address.
        address: std::net::SocketAddr,
    },
    /// It ended before it was ready.
    #[error("the target ended before it was ready ({how}); its last output:\n{output}")]
    EndedEarly {
        /// How it ended.
        how: String,
        /// The end of its output.
        output: String,
    },
    /// It never became ready.
    #[error(
        "the target was not ready within {waited:?}: {last}; {fix}; its last output:\n{output}"
    )]
    NeverReady {
        /// How long it was waited for.
        waited: Duration,
        /// What the last look showed.
        last: String,
        /// What may be wrong.
        fix: &'static str,
        /// The end of its output.
        output: String,
    },
    /// It was gone when the signal was to be sent.
    #[error("the target ended before the signal was sent ({how}); its last output:\n{output}")]
    EndedUnderLoad {
        /// How it ended.
        how: String,
        /// The end of its output.
        output: String,
    },
}

/// A started target. Dropping it kills its whole process group.
#[derive(Debug)]
pub(crate) struct Target {
    pid: Pid,
    pub(crate) started: Instant,
    output: Output,
    exit: watch::Receiver<Option<Exit>>,
    readers: JoinSet<()>,
    killed: bool,
}

impl Target {
    /// Starts the command in a process group of its own, after making sure that nothing else serves its address.
    pub(crate) async fn start(plan: &Plan) -> Result<Self, TargetError> {
        let address = plan.url.address;
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return Err(TargetError::PortTaken { address });
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
            .envs(plan.env.iter().map(|(name, value)| (name, value)));
        if plan.tell_grace {
            command.env(
                "LAMEDUCK_GRACE",
                humantime::format_duration(plan.grace)
                    .to_string()
                    .replace(' ', ""),
            );
        }
        inherited::begin_anew();
        let started = Instant::now();
        let mut child = command.spawn().map_err(spawn_error)?;
        let pid = child
            .id()
            .and_then(|pid| Pid::from_raw(pid as i32))
            .ok_or_else(|| spawn_error(std::io::ErrorKind::NotFound.into()))?;
        let output = Output::default();
        let mut readers = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(output.clone().drain(pipe));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.spawn(output.clone().drain(pipe));
        }
        let (told, exit) = watch::channel(None);
        tokio::spawn(async move {
            let status = child.wait().await;
            told.send_replace(Some(read_status(status)));
        });
        Ok(Self {
            pid,
            started,
            output,
            exit,
            readers,
            killed: false,
        })
    }

    /// Waits until the plan's readiness question is answered as it should be.
    pub(crate) async fn ready(&mut self, plan: &Plan) -> Result<Instant, TargetError> {
        let deadline = self.started + plan.start_timeout;
        loop {
            let (mut endpoint, question) = plan.readiness();
            let mut sample = match question {
                Readiness::Connects => probe::knock(&endpoint).await,
                _ => probe::look(&endpoint).await,
            };
            let mut is_ready = match question {
                Readiness::Status200 => sample.is_good(),
                Readiness::Below500 | Readiness::Connects => matches!(sample.status, Ok(..500)),
            };
            // Some say that they are ready a moment before they listen.
            if is_ready && endpoint.address != plan.url.address {
                endpoint = plan.url.clone();
                sample = probe::knock(&endpoint).await;
                is_ready = sample.status.is_ok();
            }
            if is_ready {
                return Ok(sample.answered);
            }
            if let Some(exit) = self.ended() {
                self.drain().await;
                return Err(TargetError::EndedEarly {
                    how: exit.describe(),
                    output: self.last_output(),
                });
            }
            if Instant::now() >= deadline {
                let last = match sample.status {
                    Ok(status) => format!("{} answered {status}", endpoint.url()),
                    Err(what) => format!("{}: {what}", endpoint.url()),
                };
                let output = self.last_output();
                return Err(TargetError::NeverReady {
                    waited: plan.start_timeout,
                    last,
                    fix: plan.what_to_check(),
                    output,
                });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends the signal to the process itself, not to its group, as orchestrators do.
    ///
    /// Fails when the target has ended.
    pub(crate) async fn signal(&mut self, signal: StopSignal) -> Result<Instant, TargetError> {
        if self.ended().is_none() {
            let at = Instant::now();
            if kill_process(self.pid, signal.to_signal()).is_ok() {
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

    /// The exit, when it has ended.
    pub(crate) fn ended(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits for the end until `deadline`.
    pub(crate) async fn wait_until(&mut self, deadline: Instant) -> Option<Exit> {
        let ended = self.exit.wait_for(Option::is_some);
        match tokio::time::timeout_at(deadline.into(), ended).await {
            Ok(Ok(exit)) => *exit,
            _ => None,
        }
    }

    /// Kills the process group, if the target still runs, and waits for the end.
    pub(crate) async fn kill(&mut self) -> Exit {
        self.killed = self.ended().is_none();
        self.kill_group();
        let ended = self
            .exit
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|exit| *exit);
        let exit = ended.unwrap_or(Exit {
            at: Instant::now(),
            code: None,
            signal: None,
            killed: true,
            released: true,
        });
        Exit {
            killed: self.killed,
            ..exit
        }
    }

    /// Reads what is left in the pipes. A descendant that holds them open is not waited for.
    pub(crate) async fn drain(&mut self) {
        let all = async { while self.readers.join_next().await.is_some() {} };
        drop(tokio::time::timeout(Duration::from_millis(300), all).await);
    }

    /// What it wrote since a moment.
    pub(crate) fn said_since(&self, since: Instant) -> String {
        self.output.text(Some(since))
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

    fn kill_group(&self) {
        // An error means that there is no such group any more: what was wanted.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill_group();
    }
}

fn read_status(status: std::io::Result<ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    let (code, signal) = match status {
        Ok(status) => (status.code(), status.signal()),
        Err(_) => (None, None),
    };
    Exit {
        at: Instant::now(),
        code,
        signal,
        killed: false,
        released: false,
    }
}
