//! The process of the service among those that were started on the way to it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpgid, pidfd_open, pidfd_send_signal};

/// A process, held on to: its number cannot become somebody else's unnoticed.
pub struct Found {
    /// Its number, as it is seen from here.
    pub pid: Pid,
    held: OwnedFd,
}

impl Found {
    /// The process that runs this program as a service, and has something below `folder` among its arguments.
    pub fn service_of(folder: &Path) -> Option<Found> {
        let this = std::env::current_exe().ok()?;
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let is_it = |pid: &Pid| {
            let proc = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
            let Ok(words) = fs::read(proc.join("cmdline")) else {
                return false;
            };
            let words = String::from_utf8_lossy(&words).into_owned();
            let mut words = words.split('\0').skip(1);
            fs::read_link(proc.join("exe")).is_ok_and(|it| it == this)
                && matches!(words.next(), Some("surrounded" | "shop"))
                && words.any(|it| Path::new(it).starts_with(folder))
        };
        let pid = processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Pid::from_raw)
            .find(is_it)?;
        let held = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Still the same, now that it is held?
        is_it(&pid).then_some(Found { pid, held })
    }

    /// Sends it a signal. One that is gone already has no use for it.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.held, signal);
    }

    /// Sends it to every process of the group.
    pub fn signal_group(&self, signal: Signal) {
        if let Ok(group) = getpgid(Some(self.pid)) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    /// When it ended, unless it is still there then.
    pub fn ended_until(&self, deadline: Instant) -> anyhow::Result<Option<Instant>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = Timespec::try_from(left).context("a time too long to wait")?;
            let mut ends = [PollFd::new(&self.held, PollFlags::IN)];
            match poll(&mut ends, Some(&limit)) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(Instant::now())),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
    }
}

/// Polls until there is something, or the time is over.
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        match look() {
            None if began.elapsed() < limit => std::thread::sleep(Duration::from_millis(5)),
            found => return found,
        }
    }
}

/// Whether this account may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
