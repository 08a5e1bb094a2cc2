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

/// Takes over a file descriptor that this process was started with. The caller sees to it that each
/// number is taken once, and only what nobody else in this process has.
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

/// What a descriptor stands for at this moment.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Whether it is closed when another program is executed. What a process was started with never
    /// is, and what it opens by Rust's libraries always is.
    pub closes_on_exec: bool,
    pub socket: Option<SocketFacts>,
}

/// What kind of socket it is.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketFacts {
    pub is_stream: bool,
    pub is_unix: bool,
    pub listens: bool,
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
pub(crate) fn look_at(number: i32) -> std::io::Result<Descriptor> {
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

/// The addresses of the interfaces that are up.
///
/// # Errors
///
/// Those of the system, for example where a sandbox forbids to ask.
#[cfg(unix)]
pub(crate) fn own_addresses() -> std::io::Result<Vec<std::net::IpAddr>> {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    let mut first = std::ptr::null_mut();
    // SAFETY: it writes one pointer, which is freed below.
    if unsafe { libc::getifaddrs(&mut first) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: the list ends with a null pointer, and each of its nodes is valid until it is freed.
    while let Some(it) = unsafe { next.as_ref() } {
        next = it.ifa_next;
        // SAFETY: null, or an address that is as long as its family says.
        let Some(address) = (unsafe { it.ifa_addr.as_ref() }) else {
            continue;
        };
        let is_up = it.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        match i32::from(address.sa_family) {
            libc::AF_INET if is_up => {
                // SAFETY: the family says so.
                let address = unsafe { it.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
                let address = u32::from_be(address.sin_addr.s_addr);
                found.push(IpAddr::V4(Ipv4Addr::from_bits(address)));
            }
            libc::AF_INET6 if is_up => {
                // SAFETY: the family says so.
                let address = unsafe { it.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
                found.push(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)));
            }
            _ => {}
        }
    }
    // SAFETY: it comes from `getifaddrs` and is freed once.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// What a process does about a signal.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposition {
    Default,
    Ignored,
    Handled,
}

/// What this process does about `signal` now.
#[cfg(unix)]
pub(crate) fn disposition(signal: i32) -> Disposition {
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
pub(crate) fn unblock(signals: crate::signal_set::SignalSet) {
    mask(libc::SIG_UNBLOCK, signals);
}

/// Blocks these signals on the calling thread.
#[cfg(unix)]
pub(crate) fn block(signals: crate::signal_set::SignalSet) {
    mask(libc::SIG_BLOCK, signals);
}

#[cfg(unix)]
fn mask(how: libc::c_int, signals: crate::signal_set::SignalSet) {
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
