//! What replaces or stops that which serves: a command of the user's, run once.
//!
//! # What must hold
//! - What it starts stays: a new version that it leaves in the background serves on when the prover has ended. So it writes
//!   to a file in memory and not to a pipe, whose end would end that as well.
//! - It is never killed. A prover that is interrupted asks it to stop (SIGTERM), as Ctrl-C in a terminal does.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::exit::ProcessExit;
use super::inherited;

/// Of what it writes, so much is kept: the end.
const KEPT: u64 = 16 * 1024;

/// A trigger under way.
#[derive(Debug)]
pub(crate) struct TriggerRun {
    child: Child,
    output: File,
    pub(crate) began: Instant,
    ended: bool,
}

impl TriggerRun {
    pub(crate) fn start(words: &[String]) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::NotFound)?;
        let output = File::from(memfd_create("lameduck-trigger", MemfdFlags::CLOEXEC)?);
        inherited::begin_anew();
        let began = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .process_group(0)
            .spawn()?;
        Ok(Self {
            child,
            output,
            began,
            ended: false,
        })
    }

    /// Waits for its end. `None`: it takes longer than `limit`.
    pub(crate) async fn until_ended(&mut self, limit: Duration) -> Option<ProcessExit> {
        use std::os::unix::process::ExitStatusExt;
        let ended = tokio::time::timeout(limit, self.child.wait()).await.ok()?;
        self.ended = true;
        let status = ended.ok();
        Some(ProcessExit {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            ..ProcessExit::unseen()
        })
    }

    /// The end of what it has written so far, both streams as they came.
    pub(crate) fn output(&self) -> String {
        let length = self.output.metadata().map_or(0, |about| about.len());
        let kept = length.min(KEPT);
        let mut bytes = vec![0; kept as usize];
        let read = self.output.read_at(&mut bytes, length - kept).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }
}

impl Drop for TriggerRun {
    fn drop(&mut self) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid as i32));
        if let Some(pid) = pid.filter(|_| !self.ended) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Whether there is such a program, as execvp(3) looks for it.
pub(crate) fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return std::path::Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}
