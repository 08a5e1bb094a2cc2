//! Where to listen, and how a socket comes to do it.
//!
//! # What must hold
//!
//! 1. Nothing is removed that is not a dead socket of our own.
//! 2. What is told to listen on an address listens on all that the address stands for and that the
//!    machine has, or on nothing.
//! 3. An error says what was found and what to write instead.
//!
//! `tcp` is for addresses, `unix` for paths, `taken` says who has an address that is in use.

mod taken;
mod tcp;
#[cfg(unix)]
mod unix;

use std::fmt;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

pub(crate) use taken::who_has;
pub(crate) use tcp::bind_tcp;
#[cfg(unix)]
pub(crate) use unix::{OwnFile, bind_unix};

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A TCP address, `127.0.0.1:8080`, `[::]:8080` or `localhost:8080`.
    ///
    /// A name stands for all of its addresses that the machine has; `localhost` for 127.0.0.1 and
    /// ::1. `[::]` is everything, IPv4 too. Where there is no IPv6 it is `0.0.0.0`, and `0.0.0.0` is
    /// `[::]` where there are only addresses of IPv6.
    Tcp(String),
    /// A Unix socket by its path: `unix:/run/shop.sock`. A socket that a process of the same user has
    /// left behind there is replaced; anything else that is there stays, and is an error.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl From<&str> for Bind {
    fn from(s: &str) -> Bind {
        #[cfg(unix)]
        if let Some(path) = s.strip_prefix("unix:") {
            return Bind::Unix(path.into());
        }
        Bind::Tcp(s.to_owned())
    }
}

impl From<String> for Bind {
    fn from(s: String) -> Bind {
        s.as_str().into()
    }
}

impl From<SocketAddr> for Bind {
    fn from(addr: SocketAddr) -> Bind {
        Bind::Tcp(addr.to_string())
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Tcp(addr) => f.write_str(addr),
            #[cfg(unix)]
            Bind::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why there is no socket.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BindError {
    /// What was written can never work.
    #[error("{0}")]
    Bad(String),
    /// Somebody listens there: an address, or `unix:` and a path.
    #[error("{0} is in use")]
    InUse(String),
    /// The system does not let us, today.
    #[error("{0}")]
    Refused(String),
}

/// The length asked for the accept queue; the system caps it (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_is() {
        assert_eq!(Bind::from("127.0.0.1:0"), Bind::Tcp("127.0.0.1:0".into()));
        #[cfg(unix)]
        assert_eq!(
            Bind::from("unix:/run/x.sock"),
            Bind::Unix("/run/x.sock".into())
        );
    }
}
