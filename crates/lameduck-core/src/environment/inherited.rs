//! Sockets that this process was started with: systemd's socket activation, or a supervisor that
//! hands its listeners from one version to the next (`LISTEN_FDS`, sd_listen_fds(3)).
//!
//! # What must hold
//!
//! 1. A descriptor is taken only if the environment says that it is for this very process, and it is
//!    what a server needs: a listening stream socket of TCP or Unix.
//! 2. A descriptor that this process has opened itself is never taken, whatever the environment says:
//!    whoever opened it would close it a second time. What a process was started with does not close
//!    on exec, and what it opens does.
//! 3. A socket in which clients would wait for nobody is an error, told before any port is bound.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use crate::system::sys::{Descriptor, look_at};

/// The first descriptor of the protocol.
const FIRST: i32 = 3;

/// The most descriptors there can sensibly be.
const MOST: i32 = 4096;

/// What a socket without a name is called (sd_listen_fds(3)).
const UNKNOWN: &str = "unknown";

/// The sockets not yet taken by a server.
#[derive(Debug, Default)]
pub(crate) struct InheritedSockets {
    left: Vec<InheritedSocket>,
    count: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct InheritedSocket {
    number: i32,
    name: String,
    /// The server that takes it, once that is known.
    server: Option<String>,
}

/// What `LISTEN_FDS` and its companions say that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value}: {problem}")]
pub(crate) struct BadListenFds {
    variable: &'static str,
    value: String,
    problem: String,
}

/// The variables of the protocol.
#[derive(Debug, Default)]
struct Variables {
    pid: Option<String>,
    pid_fd_id: Option<String>,
    fds: Option<String>,
    names: Option<String>,
}

/// Who this process is.
struct Me {
    pid: u32,
    /// The inode of a pidfd of this process, which no other has until the next boot (Linux 6.9).
    pid_fd_id: Option<u64>,
}

impl InheritedSockets {
    /// Reads the environment. Sockets meant for another process are none of ours.
    pub(crate) fn from_env() -> Result<InheritedSockets, BadListenFds> {
        // A variable set to nothing is a variable not set.
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let variables = Variables {
            pid: var("LISTEN_PID"),
            pid_fd_id: var("LISTEN_PIDFDID"),
            fds: var("LISTEN_FDS"),
            names: var("LISTEN_FDNAMES"),
        };
        let me = Me {
            pid: std::process::id(),
            pid_fd_id: own_pid_fd_id(),
        };
        InheritedSockets::parse(variables, &me)
    }

    fn parse(variables: Variables, me: &Me) -> Result<InheritedSockets, BadListenFds> {
        let bad = |variable, value, problem: &str| BadListenFds {
            variable,
            value,
            problem: problem.to_owned(),
        };
        let Some(fds) = variables.fds else {
            return Ok(InheritedSockets::default());
        };
        let count = match fds.parse() {
            Ok(0) => return Ok(InheritedSockets::default()),
            Ok(n @ 1..=MOST) => n,
            _ => {
                return Err(bad(
                    "LISTEN_FDS",
                    fds,
                    "expected a number of sockets, for example 1",
                ));
            }
        };
        // sd_listen_fds(3) takes nothing without it. But then clients of a supervisor that has
        // forgotten it would wait for ever in a socket that nobody accepts from.
        let Some(pid) = variables.pid else {
            let problem = "sockets for whom? Expected LISTEN_PID beside it, the process id of this \
                 program (in a shell: `LISTEN_PID=$$ LISTEN_FDS=1 exec …`); or unset LISTEN_FDS";
            return Err(bad("LISTEN_FDS", fds, problem));
        };
        match pid.parse::<u32>() {
            Ok(pid) if pid == me.pid => {}
            Ok(_) => return Ok(InheritedSockets::default()),
            Err(_) => {
                return Err(bad(
                    "LISTEN_PID",
                    pid,
                    "expected a process id, for example 4711",
                ));
            }
        }
        if let Some(id) = variables.pid_fd_id {
            match (id.parse::<u64>(), me.pid_fd_id) {
                (Ok(id), Some(mine)) if id != mine => return Ok(InheritedSockets::default()),
                (Ok(_), _) => {}
                (Err(_), _) => {
                    let problem = "expected the inode number of a pidfd, for example 4711";
                    return Err(bad("LISTEN_PIDFDID", id, problem));
                }
            }
        }
        let names: Vec<String> = match variables.names {
            None => vec![UNKNOWN.to_owned(); count as usize],
            Some(names) => {
                let all: Vec<_> = names.split(':').map(str::to_owned).collect();
                if all.len() != count as usize {
                    let problem = format!(
                        "expected as many names as LISTEN_FDS says, {count}, for example {}",
                        vec!["http"; count.min(3) as usize].join(":")
                    );
                    return Err(bad("LISTEN_FDNAMES", names, &problem));
                }
                all
            }
        };
        let socket = |(number, name)| InheritedSocket {
            number,
            name,
            server: None,
        };
        Ok(InheritedSockets {
            left: (FIRST..).zip(names).map(socket).collect(),
            count,
        })
    }

    /// Decides who gets what: a server those of its name; the only server of a process all, if they
    /// have one name, whatever it is.
    ///
    /// # Errors
    ///
    /// If one that a server would get is of no use to it, or one is for nobody.
    pub(crate) fn assign(&mut self, servers: &[&str]) -> Result<(), BadListenFds> {
        self.assign_as(servers, look_at)
    }

    fn assign_as(
        &mut self,
        servers: &[&str],
        look: impl Fn(i32) -> io::Result<Descriptor>,
    ) -> Result<(), BadListenFds> {
        let same = self.left.windows(2).all(|two| two[0].name == two[1].name);
        for socket in &mut self.left {
            socket.server = match servers {
                [only] if same => Some((*only).to_owned()),
                _ => servers
                    .iter()
                    .find(|server| **server == socket.name)
                    .map(|it| (*it).to_owned()),
            };
        }
        if servers.is_empty() {
            return Ok(());
        }
        for socket in &self.left {
            let found = look(socket.number).map_err(|_| "is not open".to_owned());
            let looked = match (&socket.server, found) {
                (Some(_), found) => found.and_then(of_use),
                // Another part of this process has it.
                (None, Ok(found)) if found.closes_on_exec => Ok(()),
                (None, Ok(_)) => Err(format!(
                    "is for nobody: no server is called `{}`. There {} `{}`: name the socket so \
                     (FileDescriptorName=), or take it in the code before the lifecycle is run",
                    socket.name,
                    if servers.len() == 1 { "is" } else { "are" },
                    servers.join("`, `")
                )),
                (None, Err(e)) => Err(e),
            };
            looked.map_err(|problem| BadListenFds {
                variable: "LISTEN_FDS",
                value: self.count.to_string(),
                problem: format!("descriptor {} {problem}", Named(socket)),
            })?;
        }
        Ok(())
    }

    /// Whether there are any for a server, after [`assign`](InheritedSockets::assign).
    pub(crate) fn has_for(&self, server: &str) -> bool {
        let mut left = self.left.iter();
        left.any(|it| it.server.as_deref() == Some(server))
    }

    /// The sockets of a server, after [`assign`](InheritedSockets::assign).
    ///
    /// # Errors
    ///
    /// If one was closed or taken by somebody else meanwhile.
    pub(crate) fn take(&mut self, server: &str) -> io::Result<Vec<OwnedFd>> {
        let is_its = |socket: &mut InheritedSocket| socket.server.as_deref() == Some(server);
        // One lifecycle at a time looks and takes.
        static TAKING: Mutex<()> = Mutex::new(());
        let _taking = TAKING.lock().unwrap_or_else(|e| e.into_inner());
        let mut taken = Vec::new();
        for socket in self.left.extract_if(.., is_its) {
            of_use(look_at(socket.number)?)
                .map_err(|e| io::Error::other(format!("descriptor {} {e}", Named(&socket))))?;
            taken.push(crate::system::sys::adopt(socket.number)?);
        }
        Ok(taken)
    }
}

/// `3 (http)`.
struct Named<'a>(&'a InheritedSocket);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name.as_str() {
            UNKNOWN => write!(f, "{}", self.0.number),
            name => write!(f, "{} (`{name}`)", self.0.number),
        }
    }
}

/// Whether a server can accept from it; if not, why.
fn of_use(found: Descriptor) -> Result<(), String> {
    let problem = match found.socket {
        _ if found.closes_on_exec => {
            "is none that this process was started with: it has opened it itself. Unset LISTEN_FDS, \
             also if another part of the program has taken the sockets"
        }
        None => "is no socket: expected listening sockets from descriptor 3 on",
        Some(it) if !it.is_stream => "is no stream socket: with systemd use ListenStream=",
        Some(it) if !it.is_unix && it.address.is_none() => {
            "is neither a TCP socket nor a Unix socket"
        }
        Some(it) if it.listens => return Ok(()),
        Some(it) if it.is_connected => {
            "is one connection and not a listening socket: with systemd use Accept=no"
        }
        Some(_) => "is a socket that does not listen: call listen(2) before it is handed over",
    };
    Err(problem.to_owned())
}

/// The inode of a pidfd of this process, where that is what tells processes apart.
#[cfg(target_os = "linux")]
fn own_pid_fd_id() -> Option<u64> {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    /// `PID_FS_MAGIC`. Before there was this file system all pidfds had the same inode.
    const PID_FS: u64 = 0x5049_4446;
    let own = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let system = rustix::fs::fstatfs(&own).ok()?;
    if system.f_type as u64 != PID_FS {
        return None;
    }
    Some(rustix::fs::fstat(&own).ok()?.st_ino)
}

#[cfg(not(target_os = "linux"))]
fn own_pid_fd_id() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::sys::SocketFacts;

    const ME: Me = Me {
        pid: 7,
        pid_fd_id: Some(70),
    };

    fn parse(pairs: &[(&str, &str)]) -> Result<Vec<(i32, String)>, String> {
        let var = |name: &str| {
            let found = pairs.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let variables = Variables {
            pid: var("PID"),
            pid_fd_id: var("PIDFDID"),
            fds: var("FDS"),
            names: var("FDNAMES"),
        };
        match InheritedSockets::parse(variables, &ME) {
            Ok(sockets) => Ok(sockets
                .left
                .into_iter()
                .map(|s| (s.number, s.name))
                .collect()),
            Err(e) => Err(e.to_string()),
        }
    }

    #[test]
    fn sockets_are_counted_and_named() {
        let named = |it: &[(i32, &str)]| {
            let it = it.iter().map(|(n, name)| (*n, (*name).to_owned()));
            Ok(it.collect::<Vec<_>>())
        };
        let both = [("PID", "7"), ("FDS", "2"), ("FDNAMES", "http:admin")];
        assert_eq!(parse(&both), named(&[(3, "http"), (4, "admin")]));
        let unnamed = [("PID", "7"), ("PIDFDID", "70"), ("FDS", "2")];
        assert_eq!(parse(&unnamed), named(&[(3, "unknown"), (4, "unknown")]));
        assert_eq!(parse(&[("FDS", "0")]), named(&[]));
    }

    #[test]
    fn sockets_of_another_process_are_left_alone() {
        assert_eq!(parse(&[("PID", "8"), ("FDS", "1")]), Ok(vec![]));
        let reused = [("PID", "7"), ("PIDFDID", "71"), ("FDS", "1")];
        assert_eq!(parse(&reused), Ok(vec![]));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (pairs, told) in [
            (
                &[("PID", "7"), ("FDS", "two")][..],
                "LISTEN_FDS=two: expected a number",
            ),
            (
                &[("PID", "7"), ("FDS", "-1")],
                "LISTEN_FDS=-1: expected a number",
            ),
            (
                &[("PID", "x"), ("FDS", "1")],
                "LISTEN_PID=x: expected a process id",
            ),
            (&[("FDS", "1")], "LISTEN_FDS=1: sockets for whom?"),
            (
                &[("PID", "7"), ("PIDFDID", "x"), ("FDS", "1")],
                "LISTEN_PIDFDID=x: ",
            ),
            (
                &[("PID", "7"), ("FDS", "2"), ("FDNAMES", "http")],
                "LISTEN_FDNAMES=http: expected as many names",
            ),
        ] {
            let error = parse(pairs).unwrap_err();
            assert!(error.starts_with(told), "{error}");
        }
    }

    fn sockets(names: &[&str]) -> InheritedSockets {
        let socket = |(number, name): (i32, &&str)| InheritedSocket {
            number,
            name: (*name).to_owned(),
            server: None,
        };
        InheritedSockets {
            left: (FIRST..).zip(names).map(socket).collect(),
            count: names.len() as i32,
        }
    }

    const LISTENS: Descriptor = Descriptor {
        closes_on_exec: false,
        socket: Some(SocketFacts {
            is_stream: true,
            is_unix: true,
            listens: true,
            is_connected: false,
            address: None,
        }),
    };

    fn assigned(names: &[&str], servers: &[&str]) -> Result<Vec<Option<String>>, String> {
        let mut sockets = sockets(names);
        let done = sockets.assign_as(servers, |_| Ok(LISTENS));
        done.map_err(|e| e.to_string())?;
        Ok(sockets.left.into_iter().map(|it| it.server).collect())
    }

    #[test]
    fn each_server_gets_what_has_its_name_and_the_only_one_all_of_one_name() {
        let to = |servers: &[&str]| Ok(servers.iter().map(|s| Some((*s).to_owned())).collect());
        assert_eq!(
            assigned(&["b", "a", "b"], &["a", "b"]),
            to(&["b", "a", "b"])
        );
        assert_eq!(assigned(&["x", "x"], &["a"]), to(&["a", "a"]));
        assert_eq!(assigned(&["x"], &[]), Ok(vec![None]));
    }

    #[test]
    fn a_socket_for_nobody_is_an_error_that_names_it_and_who_there_is() {
        for (names, servers) in [(&["a", "x"][..], &["a"][..]), (&["x"], &["a", "b"])] {
            let error = assigned(names, servers).unwrap_err();
            assert!(error.contains("no server is called `x`"), "{error}");
            assert!(error.contains("`a`"), "{error}");
        }
    }

    #[test]
    fn what_another_part_of_the_process_has_taken_is_its() {
        let taken = Descriptor {
            closes_on_exec: true,
            ..LISTENS
        };
        assert_eq!(
            sockets(&["x", "y"]).assign_as(&["a"], |_| Ok(taken)),
            Ok(())
        );
        let error = sockets(&["a"])
            .assign_as(&["a"], |_| Ok(taken))
            .unwrap_err();
        assert!(error.to_string().contains("opened it itself"), "{error}");
    }
}
