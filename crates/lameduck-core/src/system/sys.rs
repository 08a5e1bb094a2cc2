//! The few system calls that have no safe wrapper. All of this crate's `unsafe` is in this file.
#![allow(unsafe_code)]

/// Ends the process at once: no destructors, no `atexit` handlers.
#[cfg(unix)]
pub fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes no pointer and does not return; it is async-signal-safe, so it may be
    // called whatever other threads are doing.
    unsafe { libc::_exit(code.into()) }
}

/// Ends the process. Elsewhere than on Unix this runs `atexit` handlers.
#[cfg(not(unix))]
pub fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}

/// Takes over a file descriptor that this process was started with. The caller sees to it that each
/// number is taken once, and only what nobody else in this process has.
#[cfg(unix)]
pub fn adopt(fd: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: `fcntl` takes no pointer here; a number that is no open descriptor is an error.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is open, as the call above has shown, and the protocol of `LISTEN_FDS` gives it to
    // us alone; `inherited::Sockets` hands each number out once.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a descriptor stands for at this moment.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Whether it is closed when another program is executed. What a process was started with never
    /// is, and what it opens by Rust's libraries always is.
    pub closes_on_exec: bool,
    /// `None` if it is no socket.
    pub socket: Option<SocketFacts>,
}

/// What kind of socket it is.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFacts {
    /// Of streams (TCP), not of datagrams.
    pub is_stream: bool,
    /// A Unix socket.
    pub is_unix: bool,
    /// Connections come to it.
    pub listens: bool,
    /// It has a peer.
    pub is_connected: bool,
    /// Where it is bound, if it is one of IP.
    pub address: Option<std::net::SocketAddr>,
}

/// Looks at a descriptor by its number.
///
/// # Errors
///
/// EBADF if it is not open.
#[cfg(unix)]
pub fn look_at(number: i32) -> std::io::Result<Descriptor> {
    use rustix::io::{Errno, FdFlags, fcntl_getfd};
    use rustix::net::{AddressFamily, SocketType, getpeername, getsockname, sockopt};
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: another thread may close it meanwhile, or open something else under the same number.
    // It is only asked, never changed, and what is no socket answers with an error.
    let it = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let closes_on_exec = fcntl_getfd(it)?.contains(FdFlags::CLOEXEC);
    let socket = match (sockopt::socket_type(it), getsockname(it)) {
        (Ok(kind), Ok(name)) => Some(SocketFacts {
            is_stream: kind == SocketType::STREAM,
            is_unix: name.address_family() == AddressFamily::UNIX,
            listens: sockopt::socket_acceptconn(it).unwrap_or(false),
            is_connected: getpeername(it).is_ok(),
            address: name.try_into().ok(),
        }),
        _ => None,
    };
    Ok(Descriptor {
        closes_on_exec,
        socket,
    })
}

/// What a process does about a signal.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Default,
    Ignored,
    Handled,
}

/// What this process does about `signal` now.
#[cfg(unix)]
pub fn disposition(signal: i32) -> Disposition {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action the call only writes the one in force through the pointer. A number that
    // is no signal is an error, and leaves the zeroes, which are a valid value.
    let now = unsafe {
        libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr());
        now.assume_init()
    };
    match now.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled,
    }
}

/// Unblocks these signals on the calling thread.
#[cfg(unix)]
pub fn unblock(signals: crate::system::signal_set::SignalSet) {
    mask(libc::SIG_UNBLOCK, signals);
}

/// Blocks these signals on the calling thread.
#[cfg(unix)]
pub fn block(signals: crate::system::signal_set::SignalSet) {
    mask(libc::SIG_BLOCK, signals);
}

#[cfg(unix)]
fn mask(how: libc::c_int, signals: crate::system::signal_set::SignalSet) {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` makes the set a valid one before anything else looks at it; `sigaddset` refuses a number
    // that is no signal; `pthread_sigmask` reads the set, and writes nothing through a null pointer.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals.iter() {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut());
    }
}
