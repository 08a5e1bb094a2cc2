//! Where to listen, and how a socket comes to do it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A TCP address, `127.0.0.1:8080`, `[::]:8080` or `localhost:8080`.
    Tcp(String),
    /// A Unix socket by its path: `unix:/run/shop.sock`. A socket file that nobody listens on any
    /// more is replaced.
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

/// The length asked for the accept queue; the system caps it (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

pub(super) fn bind_tcp(addr: &str) -> io::Result<TcpListener> {
    let addrs = addr.to_socket_addrs().map_err(|e| {
        let hint = "expected HOST:PORT, for example 127.0.0.1:8080";
        io::Error::new(io::ErrorKind::InvalidInput, format!("{e}; {hint}"))
    })?;
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for addr in addrs {
        match bind_one(addr) {
            Ok(listener) => return Ok(listener),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn bind_one(addr: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix this only lets a restarted server take over from connections in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The file of a Unix socket of ours. By now another process may have put its own in its place,
/// which must stay.
#[cfg(unix)]
pub(super) struct OwnFile {
    path: PathBuf,
    id: (u64, u64),
}

#[cfg(unix)]
impl OwnFile {
    pub(super) fn at(path: &std::path::Path) -> Option<OwnFile> {
        let id = OwnFile::id(path)?;
        let path = path.to_owned();
        Some(OwnFile { path, id })
    }

    fn id(path: &std::path::Path) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    }

    pub(super) fn remove(&self) {
        if OwnFile::id(&self.path) == Some(self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
pub(super) fn bind_unix(path: &std::path::Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            // Left behind by a process that was killed, if nobody answers.
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(e);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

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
