//! The prover's end of the [`guardian`](super::guardian): who has ended, and how; and the end of all of them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::descriptors;
use super::exit::ProcessExit;
use super::guardian::{self, NOTICE, Notice};
use super::tree;

/// Killing takes no longer, on a machine with far too much to do.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What the guardian has told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) target: Option<i32>,
    pub(super) ended: BTreeMap<i32, ProcessExit>,
    /// Nobody is left, the guardian neither.
    pub(super) is_over: bool,
}

/// A started command with its guardian. Dropping it kills all that the command has started, and waits for that.
#[derive(Debug)]
pub(super) struct Leash {
    pipe: Option<OwnedFd>,
    guardian: i32,
    told: watch::Receiver<Told>,
}

impl Leash {
    /// Starts the command. What it writes comes out of the child's pipes; the child itself is the guardian.
    pub(super) async fn start(command: &mut Command) -> io::Result<(Self, Child)> {
        let (hold, pipe) = pipe_with(PipeFlags::CLOEXEC)?;
        let (notices, notice) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        guardian::stand_before(command, hold.as_raw_fd(), notice.as_raw_fd());
        let child = descriptors::as_inherited(|| command.spawn())?;
        drop((hold, notice));
        let guardian = child.id().map_or(0, |pid| pid as i32);
        let (tell, mut told) = watch::channel(Told::default());
        tokio::spawn(listen(Receiver::from_owned_fd(notices)?, tell));
        // The first thing that it says. A guardian that was killed at once says nothing.
        let _ = told
            .wait_for(|told| told.target.is_some() || told.is_over)
            .await;
        let leash = Self {
            pipe: Some(pipe),
            guardian,
            told,
        };
        Ok((leash, child))
    }

    /// The process that the command was started as.
    pub(super) fn target(&self) -> Option<i32> {
        self.told.borrow().target
    }

    /// The guardian: the parent of the target, and of all that have lost theirs.
    pub(super) fn guardian(&self) -> i32 {
        self.guardian
    }

    /// How a process ended that was the guardian's child. Nobody saw how, if the guardian was killed.
    pub(super) fn ended(&self, pid: i32) -> Option<ProcessExit> {
        let told = self.told.borrow();
        let unseen = || told.is_over.then(ProcessExit::unseen);
        told.ended.get(&pid).copied().or_else(unseen)
    }

    /// Waits until a process has ended that was the guardian's child.
    pub(super) async fn until_ended(&mut self, pid: i32) -> ProcessExit {
        let ended = self
            .told
            .wait_for(|told| told.is_over || told.ended.contains_key(&pid));
        match ended.await {
            Ok(told) => told.ended.get(&pid).copied(),
            Err(_) => None,
        }
        .unwrap_or_else(ProcessExit::unseen)
    }

    /// Whether nobody is left of the tree.
    pub(super) fn is_over(&self) -> bool {
        self.told.borrow().is_over
    }

    /// Waits until nobody is left of the tree, or until `deadline`.
    pub(super) async fn until_over(&mut self, deadline: Instant) -> bool {
        let over = self.told.wait_for(|told| told.is_over);
        tokio::time::timeout_at(deadline.into(), over).await.is_ok()
    }

    /// Kills all that are left, and waits until they are gone.
    pub(super) async fn end(&mut self) {
        self.pipe = None;
        let over = self.told.wait_for(|told| told.is_over);
        drop(tokio::time::timeout(END_LIMIT, over).await);
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if self.pipe.take().is_none() {
            return;
        }
        // Whoever drops it may be about to end the process, or to start the next target on the same port.
        let limit = Instant::now() + END_LIMIT;
        while is_there(self.guardian) && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether a child of ours runs: one that has ended is there until somebody has waited for it.
fn is_there(pid: i32) -> bool {
    let stat = tree::stat(Path::new(&format!("/proc/{pid}")));
    stat.is_some_and(|(state, _)| state != 'Z')
}

async fn listen(mut notices: Receiver, tell: watch::Sender<Told>) {
    let mut bytes = [0u8; NOTICE];
    while notices.read_exact(&mut bytes).await.is_ok() {
        let notice = Notice::read(bytes);
        let at = notice.at();
        tell.send_modify(|told| match notice.status {
            None => told.target = Some(notice.pid),
            Some(status) => _ = told.ended.insert(notice.pid, ProcessExit::of(status, at)),
        });
    }
    tell.send_modify(|told| told.is_over = true);
}
