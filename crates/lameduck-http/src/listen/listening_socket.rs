//! One socket that listens, of TCP or a Unix one.

use std::io;
use std::task::{Context, Poll};

#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpStream};

#[cfg(target_os = "linux")]
use tracing::Level;

#[cfg(unix)]
use super::bind::OwnFile;
use super::close_time::CloseTime;
use super::socket::Accepted;
#[cfg(target_os = "linux")]
use super::turn_away::turn_away;
use crate::system::descriptors::exhausted;
#[cfg(target_os = "linux")]
use lameduck_core::internal::voice;

/// A listening socket.
pub(super) enum ListeningSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, Option<OwnFile>),
}

impl ListeningSocket {
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            ListeningSocket::Tcp(it) => it
                .poll_accept(cx)
                .map_ok(|(stream, peer)| Accepted::tcp(tuned(stream), peer)),
            #[cfg(unix)]
            ListeningSocket::Unix(it, _) => it
                .poll_accept(cx)
                .map_ok(|(stream, _)| Accepted::unix(stream)),
        }
    }

    pub(super) fn local_addr(&self) -> String {
        match self {
            ListeningSocket::Tcp(it) => it
                .local_addr()
                .map_or_else(|e| e.to_string(), |addr| addr.to_string()),
            #[cfg(unix)]
            ListeningSocket::Unix(it, _) => match it.local_addr() {
                Ok(addr) => match addr.as_pathname() {
                    Some(path) => format!("unix:{}", path.display()),
                    None => match addr.as_abstract_name() {
                        Some(name) => format!("unix:@{}", name.escape_ascii()),
                        None => "unix:(unnamed)".to_owned(),
                    },
                },
                Err(e) => e.to_string(),
            },
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            ListeningSocket::Tcp(it) => it.local_addr().ok().map(|addr| addr.port()),
            ListeningSocket::Unix(..) => None,
        }
    }

    /// Whether the kernel still takes connections for it.
    pub(super) fn listens(&self) -> bool {
        #[cfg(unix)]
        return lameduck_core::internal::look_at(self.number())
            .is_ok_and(|it| it.socket.is_some_and(|it| it.listens));
        #[cfg(not(unix))]
        true
    }

    /// The number of its descriptor.
    pub(super) fn number(&self) -> i32 {
        #[cfg(unix)]
        return {
            use std::os::fd::AsRawFd;
            match self {
                ListeningSocket::Tcp(it) => it.as_raw_fd(),
                ListeningSocket::Unix(it, _) => it.as_raw_fd(),
            }
        };
        #[cfg(not(unix))]
        0
    }

    /// The number that the next descriptor will get.
    pub(super) fn next_number(&self) -> i32 {
        #[cfg(unix)]
        return {
            use std::os::fd::{AsFd, AsRawFd};
            let it = match self {
                ListeningSocket::Tcp(it) => it.as_fd(),
                ListeningSocket::Unix(it, _) => it.as_fd(),
            };
            rustix::io::fcntl_dupfd_cloexec(it, 0).map_or(i32::MAX, |copy| copy.as_raw_fd())
        };
        #[cfg(not(unix))]
        0
    }

    pub(super) fn turn_newcomers_away(&self) {
        match self {
            #[cfg(target_os = "linux")]
            ListeningSocket::Tcp(it) => {
                if let Err(error) = turn_away(it) {
                    voice::event(Level::WARN, move || {
                        tracing::warn!(target: "lameduck", %error, "new connections cannot be turned away: accepting until quiet");
                    });
                }
            }
            #[cfg(not(target_os = "linux"))]
            ListeningSocket::Tcp(_) => {}
            // Without its name nobody finds it. A peer that had looked the name up just before may
            // still be on its way in.
            #[cfg(unix)]
            ListeningSocket::Unix(_, file) => {
                if let Some(file) = file {
                    file.remove();
                }
            }
        }
    }

    /// Takes what is in the accept queue at this instant. Asks the kernel, not the runtime, which
    /// may not have been told yet.
    pub(super) async fn empty_the_queue(
        self,
        time: &mut CloseTime,
        serve: &mut impl FnMut(Accepted),
    ) -> io::Result<()> {
        match self {
            ListeningSocket::Tcp(listener) => {
                let listener = listener.into_std()?;
                while let Some((stream, peer)) = next(|| listener.accept(), time).await? {
                    stream.set_nonblocking(true)?;
                    serve(Accepted::tcp(tuned(TcpStream::from_std(stream)?), peer));
                }
            }
            #[cfg(unix)]
            ListeningSocket::Unix(listener, _) => {
                let listener = listener.into_std()?;
                while let Some((stream, _)) = next(|| listener.accept(), time).await? {
                    stream.set_nonblocking(true)?;
                    serve(Accepted::unix(tokio::net::UnixStream::from_std(stream)?));
                }
            }
        }
        Ok(())
    }
}

/// The most that a connection may hold in bytes that its peer has no room for. The system would hold
/// up to 4 MiB (`net.ipv4.tcp_wmem`), so that a thousand peers that do not read would use up the
/// memory that all of TCP has, and connections of others would be reset.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Sets what every connection should have. Where the system has no such thing it works without.
pub(super) fn tuned(stream: TcpStream) -> TcpStream {
    // Nagle's algorithm and delayed ACKs together cost 40 ms on small responses.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = crate::system::sys::bound_unsent(&stream, UNSENT);
    stream
}

/// One more from the queue; `None` if it is empty.
async fn next<T>(
    accept: impl Fn() -> io::Result<T>,
    time: &mut CloseTime,
) -> io::Result<Option<T>> {
    loop {
        return match accept() {
            Ok(_) if time.is_over() => Err(io::ErrorKind::TimedOut.into()),
            Ok(it) => Ok(Some(it)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) if exhausted(&e) && !time.is_over() => {
                time.wait_for_descriptors().await;
                continue;
            }
            Err(e) => Err(e),
        };
    }
}
