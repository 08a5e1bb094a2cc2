//! The socket below a wire: TCP, or a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, UnixStream};

use super::Reading;
use super::forward::forward_io;
use super::tracer::{CarriedBytes, Tracer};

/// Where connections go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl From<SocketAddr> for Destination {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[derive(Debug)]
pub(super) enum WireSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// When the last ACK of a handshake is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// By the kernel, at once.
    Whole,
    /// By [`WireSocket::acknowledge`], or with the first data.
    LastAckLater,
}

/// The receive buffer of a client that reads late, in bytes; the kernel doubles it. With the least that it allows an answer
/// of megabytes would take a second to read.
const SMALL_WINDOW: u32 = 2048;

impl WireSocket {
    pub(super) async fn connect(
        destination: &Destination,
        handshake: Handshake,
        reading: Reading,
    ) -> io::Result<Self> {
        let address = match destination {
            Destination::Tcp(address) => address,
            // How much may wait there is for the target to say.
            Destination::Unix(path) => return Ok(Self::Unix(connect_unix(path).await?)),
        };
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if handshake == Handshake::LastAckLater {
            acknowledge_at_once(&socket, false)?;
        }
        // Before the handshake, which tells the window.
        if reading == Reading::WhenTold {
            socket.set_recv_buffer_size(SMALL_WINDOW)?;
        }
        Self::of_tcp(socket.connect(*address).await?)
    }

    /// Follows what is written to it, or carried by a courier.
    pub(super) fn tracer(&self, courier: Option<Arc<CarriedBytes>>) -> Tracer {
        let ends = match self {
            Self::Tcp(stream) => stream.local_addr().ok().zip(stream.peer_addr().ok()),
            Self::Unix(_) => None,
        };
        Tracer::of(ends, courier)
    }

    fn of_tcp(stream: TcpStream) -> io::Result<Self> {
        not_to_itself(&stream)?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// Sends the handshake's last ACK. Fails only when the connection is gone, which the reader learns.
    pub(super) fn acknowledge(&self) {
        if let Self::Tcp(stream) = self {
            let _ = acknowledge_at_once(stream, true);
        }
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Unix(stream) => stream.writable().await,
        }
    }

    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buf),
            Self::Unix(stream) => stream.try_read(buf),
        }
    }

    pub(super) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(buf),
            Self::Unix(stream) => stream.try_write(buf),
        }
    }

    /// The next close is a RST. A Unix socket has none.
    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        let at_once = Some(Duration::ZERO);
        Ok(rustix::net::sockopt::set_socket_linger(self, at_once)?)
    }
}

/// Nobody listens where there is no socket, as where there is one that nobody holds any more. Where the queue of the
/// listener is full a connection attempt waits, as that of a client that blocks (unix(7)).
async fn connect_unix(path: &std::path::Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = format!("there is no socket {}", path.display());
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, what));
            }
            other => return other,
        }
    }
}

/// Where nobody listens on a port that the system also hands out to clients, a client may be given that very port, and
/// then TCP connects it to itself (RFC 9293, 3.5, simultaneous open). That is nobody's service: it is refused.
fn not_to_itself(stream: &TcpStream) -> io::Result<()> {
    match stream.local_addr()? == stream.peer_addr()? {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn acknowledge_at_once(socket: &impl AsFd, at_once: bool) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_tcp_quickack(socket, at_once)?)
}

#[cfg(not(target_os = "linux"))]
fn acknowledge_at_once(_: &impl AsFd, _: bool) -> io::Result<()> {
    Ok(())
}

impl AsFd for WireSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

forward_io!(WireSocket: it => it, stream in Self::Tcp(stream), Self::Unix(stream));

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_to_itself_is_a_refusal() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        let stream = socket.connect(own).await.unwrap();
        let refused = not_to_itself(&stream).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn nobody_listens_where_there_is_no_socket_and_where_one_was_left_behind() {
        let path = std::env::temp_dir().join(format!("lameduck-wire-{}", std::process::id()));
        let destination = Destination::Unix(path.clone());
        let connect = |to| WireSocket::connect(to, Handshake::Whole, Reading::AtOnce);
        let refused = |error: io::Error| assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        refused(connect(&destination).await.unwrap_err());
        drop(tokio::net::UnixListener::bind(&path).unwrap());
        refused(connect(&destination).await.unwrap_err());
        std::fs::remove_file(&path).unwrap();
    }
}
