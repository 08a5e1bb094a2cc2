//! The processes below a guardian, as Linux shows them in `/proc`; nobody where there is none.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;

/// A process of the target's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Program and arguments, as it shows them.
    pub command: String,
    /// Whether it holds a socket that listens where the target serves.
    pub listens: bool,
}

impl Process {
    /// `node server.js (12345)`.
    pub(crate) fn named(&self) -> String {
        /// A command line of a JVM fills a screen.
        const LONGEST: usize = 80;
        // Where a program or a script lies tells less than what comes behind it.
        let words = self
            .command
            .split(' ')
            .map(|word| match word.starts_with('/') {
                true => word.rsplit('/').next().unwrap_or(word),
                false => word,
            });
        let whole = words.collect::<Vec<_>>().join(" ");
        let command: String = whole.chars().take(LONGEST).collect();
        let more = if command.len() < whole.len() {
            "…"
        } else {
            ""
        };
        format!("`{command}{more}` ({})", self.pid)
    }
}

/// All that descend from a process, itself not included: parents before their children.
pub(super) fn below(root: i32, address: SocketAddr) -> Vec<Process> {
    let all = processes();
    let found = descendants(&all, root);
    if found.is_empty() {
        return Vec::new();
    }
    let listening = listening(address);
    let described = found.into_iter().map(|pid| Process {
        pid,
        parent: all.get(&pid).copied().unwrap_or(0),
        command: command(pid),
        listens: holds(pid, &listening),
    });
    described.collect()
}

/// The one that a process descends from, itself perhaps, among the children of `root`.
pub(super) fn branch(tree: &[Process], root: i32, pid: i32) -> Option<&Process> {
    let mut process = tree.iter().find(|process| process.pid == pid)?;
    while process.parent != root {
        process = tree.iter().find(|other| other.pid == process.parent)?;
    }
    Some(process)
}

fn descendants(all: &BTreeMap<i32, i32>, root: i32) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = all
            .iter()
            .filter(|(pid, of)| **of == parent && **pid != root);
        found.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// Every process that has not ended, with its parent.
fn processes() -> BTreeMap<i32, i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let (state, parent) = stat(&entry.path())?;
        // One that has ended and is not waited for yet runs no more.
        (!matches!(state, 'Z' | 'X')).then_some((pid, parent))
    });
    found.collect()
}

/// State and parent, from a process's folder (proc_pid_stat(5)).
pub(super) fn stat(folder: &Path) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // The name before it is in brackets, and may contain some.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn command(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    match words.is_empty() {
        true => std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .unwrap_or_default()
            .trim()
            .to_owned(),
        false => words.join(" "),
    }
}

/// The sockets that listen on a port, by their inodes (proc_net_tcp(5)). Which address they are bound to is left out: it
/// may be the wildcard's.
fn listening(address: SocketAddr) -> HashSet<String> {
    let mut inodes = HashSet::new();
    for file in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let table = std::fs::read_to_string(file).unwrap_or_default();
        inodes.extend(
            table
                .lines()
                .skip(1)
                .filter_map(|line| inode(line, address.port())),
        );
    }
    inodes
}

/// The inode of a line of that table, if it is of a socket that listens on this port.
fn inode(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let is_there = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == "0A";
    is_there.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
}

fn holds(pid: i32, inodes: &HashSet<String>) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let mut links = files
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok());
    links.any(|link| {
        let link = link.to_string_lossy();
        let inode = link
            .strip_prefix("socket:[")
            .and_then(|it| it.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_known_by_its_port_and_state() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0";
        assert_eq!(inode(line, 8080).as_deref(), Some("4242"));
        assert_eq!(inode(line, 8081), None);
        assert_eq!(inode(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(inode("", 8080), None);
    }

    #[test]
    fn a_process_is_found_below_its_parent_with_what_it_listens_on() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let parent = std::os::unix::process::parent_id() as i32;
        let found = below(parent, address);
        let own = std::process::id() as i32;
        let own = found.iter().find(|process| process.pid == own).unwrap();
        assert!(own.listens && own.parent == parent, "{own:?}");
        drop(listener);
        assert!(
            below(parent, address)
                .iter()
                .all(|process| !process.listens)
        );
    }
}
