//! The few system calls that have no safe wrapper. All of this crate's `unsafe` is in this file.
#![allow(unsafe_code)]

/// Ends the process at once: no destructors, no `atexit` handlers.
#[cfg(unix)]
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes no pointer and does not return; it is async-signal-safe, so it may be
    // called whatever other threads are doing.
    unsafe { libc::_exit(code.into()) }
}

/// Ends the process. Elsewhere than on Unix this runs `atexit` handlers.
#[cfg(not(unix))]
pub(crate) fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}

/// How many bytes the peer has not acknowledged yet (`SIOCOUTQ`, tcp(7)).
#[cfg(target_os = "linux")]
pub(crate) fn unacknowledged(stream: &tokio::net::TcpStream) -> std::io::Result<usize> {
    use std::os::fd::AsRawFd;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the request writes
    // one `int` through the pointer. SIOCOUTQ has the value of TIOCOUTQ.
    let done = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &mut bytes) };
    if done < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Bounds what is written to a connection and waits to be sent (`TCP_NOTSENT_LOWAT`,
/// `tcp_notsent_lowat` in the kernel's ip-sysctl). What is on its way does not count.
#[cfg(target_os = "linux")]
pub(crate) fn bound_unsent(stream: &impl std::os::fd::AsRawFd, bytes: u32) -> std::io::Result<()> {
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the call reads one
    // `u32` through the pointer, whose size it is told.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Takes over a file descriptor that this process was started with.
#[cfg(unix)]
pub(crate) fn adopt(fd: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: `fcntl` takes no pointer here; a number that is no open descriptor is an error.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is open, as the call above has shown, and the protocol of `LISTEN_FDS` gives it to
    // us alone; `inherited::Sockets` hands each number out once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The local port of a TCP or UDP socket, by the number of its descriptor. `None` if it is none.
#[cfg(all(unix, feature = "sqlx-postgres"))]
pub(crate) fn local_port(descriptor: i32) -> Option<u16> {
    use std::os::fd::BorrowedFd;
    if descriptor < 0 {
        return None;
    }
    // SAFETY: another thread may close it meanwhile, or open something else under the same number.
    // It is only asked for its name, and what is no socket answers with an error.
    let socket = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let name = rustix::net::getsockname(socket).ok()?;
    std::net::SocketAddr::try_from(name)
        .ok()
        .map(|name| name.port())
}

/// The same where there is no such thing.
#[cfg(all(not(unix), feature = "sqlx-postgres"))]
pub(crate) fn local_port(_descriptor: i32) -> Option<u16> {
    None
}
