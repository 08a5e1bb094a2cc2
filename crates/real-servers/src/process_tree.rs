//! A process and all that it started, whatever group or session they have moved to since.
//!
//! Killing a process group is not enough: PostgreSQL gives each of its backends a session of its own,
//! Erlang does so for what it runs. The parent is what none of them can change, so the tree is read
//! from `/proc`, stopped from the root downwards until nobody new appears, and then killed.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Everything that descends from `root`, itself included and first.
pub(crate) fn all(root: Pid) -> Vec<Pid> {
    let parents: Vec<(Pid, Pid)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let (_, parent) = stat(&entry.path())?;
            Some((Pid::from_raw(number)?, Pid::from_raw(parent)?))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found
}

/// Kills `root` and all that descends from it. Whoever started `root` still has to wait for it.
pub(crate) fn kill(root: Pid) -> Vec<Pid> {
    let mut stopped: Vec<Pid> = Vec::new();
    loop {
        let new: Vec<Pid> = all(root)
            .into_iter()
            .filter(|pid| !stopped.contains(pid))
            .collect();
        if new.is_empty() {
            break;
        }
        for pid in new {
            // Fails only for one that has just ended by itself.
            let _ = kill_process(pid, Signal::STOP);
            stopped.push(pid);
        }
    }
    for pid in &stopped {
        let _ = kill_process(*pid, Signal::KILL);
    }
    stopped
}

/// Waits until none of them is there any more; one that only waits for its parent to notice is gone.
///
/// # Panics
/// If one is still there after 10 s.
pub(crate) fn wait_until_gone(pids: &[Pid]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Some(left) = pids.iter().find(|pid| is_alive(**pid)) {
        assert!(
            Instant::now() < deadline,
            "process {} does not end",
            left.as_raw_nonzero()
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether any thread of it still runs. The state of the process itself is that of its first thread,
/// which may be long gone while others still hold its ports open.
pub(crate) fn is_alive(pid: Pid) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()));
    threads
        .into_iter()
        .flatten()
        .flatten()
        .any(|thread| stat(&thread.path()).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X')))
}

/// The state and the parent of a process or thread, from its folder in `/proc`.
fn stat(folder: &Path) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The name before it is in brackets and may itself contain some.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}
