//! A target that says by itself when it is ready: `READY=1` on the socket of sd_notify(3).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A message is no longer, with everything that may be said in one.
const LONGEST: usize = 4096;

/// The socket, and whether READY=1 has come.
#[derive(Debug)]
pub(super) struct Notified {
    socket: UnixDatagram,
    address: String,
    is_ready: AtomicBool,
}

impl Notified {
    /// In the abstract namespace, so that nothing is left on disk.
    pub(super) fn bind() -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lameduck-check-{}-{number}", std::process::id());
        let socket = bind(&name)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            address: format!("@{name}"),
            is_ready: AtomicBool::new(false),
        })
    }

    /// What `NOTIFY_SOCKET` is to be.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Reads what has come, and never waits.
    pub(super) fn is_ready(&self) -> bool {
        let mut message = [0u8; LONGEST];
        while let Ok(length) = self.socket.recv(&mut message) {
            if is_ready(&message[..length]) {
                self.is_ready.store(true, Ordering::Relaxed);
            }
        }
        self.is_ready.load(Ordering::Relaxed)
    }
}

#[cfg(target_os = "linux")]
fn bind(name: &str) -> io::Result<UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    UnixDatagram::bind_addr(&address)
}

#[cfg(not(target_os = "linux"))]
fn bind(_: &str) -> io::Result<UnixDatagram> {
    Err(io::ErrorKind::Unsupported.into())
}

/// One assignment on each line.
fn is_ready(message: &[u8]) -> bool {
    message
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ready_1_makes_it_ready() {
        assert!(is_ready(b"STATUS=up\nREADY=1\nMAINPID=1"));
        assert!(!is_ready(b"STATUS=READY=1"));
        assert!(!is_ready(b"READY=0\nSTOPPING=1"));
    }
}
