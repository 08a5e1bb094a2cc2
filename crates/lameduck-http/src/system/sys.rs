//! The few system calls on sockets that have no safe wrapper. All of this crate's `unsafe` is in this file.

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
