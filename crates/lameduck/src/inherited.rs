//! Sockets that this process was started with: systemd's socket activation, or a supervisor that
//! hands its listeners from one version to the next (`LISTEN_FDS`, sd_listen_fds(3)).

use std::io;
use std::os::fd::OwnedFd;

/// The first descriptor of the protocol.
const FIRST: i32 = 3;

/// The sockets not yet taken by a server.
#[derive(Default)]
pub(crate) struct Sockets {
    left: Vec<(String, i32)>,
}

/// What `LISTEN_FDS` and its companions say that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value}: expected {expected}")]
pub(crate) struct BadListenFds {
    variable: &'static str,
    value: String,
    expected: &'static str,
}

impl Sockets {
    /// Reads the environment. Sockets meant for another process are none of ours.
    pub(crate) fn from_env() -> Result<Sockets, BadListenFds> {
        let var = |name| std::env::var(name).ok();
        Sockets::parse(
            var("LISTEN_PID"),
            var("LISTEN_FDS"),
            var("LISTEN_FDNAMES"),
            std::process::id(),
        )
    }

    fn parse(
        pid: Option<String>,
        fds: Option<String>,
        names: Option<String>,
        me: u32,
    ) -> Result<Sockets, BadListenFds> {
        let Some(fds) = fds else {
            return Ok(Sockets::default());
        };
        if let Some(pid) = pid {
            let meant: u32 = pid.parse().map_err(|_| BadListenFds {
                variable: "LISTEN_PID",
                value: pid,
                expected: "a process id, for example 4711",
            })?;
            if meant != me {
                return Ok(Sockets::default());
            }
        }
        let count: i32 = match fds.parse() {
            Ok(n @ 0..=1024) => n,
            _ => {
                return Err(BadListenFds {
                    variable: "LISTEN_FDS",
                    value: fds,
                    expected: "a number of sockets, for example 1",
                });
            }
        };
        let names = names.unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let left = (FIRST..FIRST + count)
            .map(|fd| (names.next().unwrap_or("unknown").to_owned(), fd))
            .collect();
        Ok(Sockets { left })
    }

    /// The socket for the server `name`: the one of that name, or, for a process with one socket
    /// and one server, that one whatever it is called.
    pub(crate) fn take(&mut self, name: &str, only_server: bool) -> io::Result<Option<OwnedFd>> {
        let found = self.left.iter().position(|(n, _)| n == name);
        let index = match found {
            Some(i) => i,
            None if only_server && self.left.len() == 1 => 0,
            None => return Ok(None),
        };
        let (_, fd) = self.left.remove(index);
        crate::sys::adopt(fd).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pid: &str, fds: &str, names: &str) -> Result<Vec<(String, i32)>, BadListenFds> {
        Sockets::parse(Some(pid.into()), Some(fds.into()), Some(names.into()), 7).map(|s| s.left)
    }

    #[test]
    fn sockets_are_counted_and_named() {
        let names = [
            ("http".to_owned(), 3),
            ("admin".to_owned(), 4),
            ("unknown".to_owned(), 5),
        ];
        assert_eq!(parse("7", "3", "http:admin").unwrap(), names);
    }

    #[test]
    fn sockets_of_another_process_are_left_alone() {
        assert_eq!(parse("8", "3", "http").unwrap(), []);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let error = parse("7", "two", "").unwrap_err().to_string();
        assert_eq!(
            error,
            "LISTEN_FDS=two: expected a number of sockets, for example 1"
        );
        assert!(
            parse("x", "1", "")
                .unwrap_err()
                .to_string()
                .starts_with("LISTEN_PID=x")
        );
    }
}
