//! TCP addresses: literal ones, names, and "everything".
//!
//! A client that is given `localhost` may try ::1 or 127.0.0.1 first, so a name is bound at all of its
//! addresses; those of a family that the machine does not have are passed over. An address in use is
//! an error even if another one is free: who connects would reach somebody else's server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, Socket, Type};

use tracing::Level;

use super::{BACKLOG, BindError};
use lameduck_core::internal::voice;

const EXPECTED: &str = "expected HOST:PORT, for example 127.0.0.1:8080";

/// Sockets that listen on all that `addr` stands for; at least one.
///
/// # Errors
///
/// If there is none to be had, or somebody else has one of them.
pub(crate) fn bind_tcp(addr: &str) -> Result<Vec<TcpListener>, BindError> {
    let sockets = match resolve(addr)?[..] {
        [one] if one.ip().is_unspecified() => vec![everywhere(one)?],
        ref all => each(addr, all)?,
    };
    // Only now, so that nobody is taken from the queue of one if another cannot be had.
    for (at, socket) in &sockets {
        socket.listen(BACKLOG).map_err(|e| problem(*at, &e))?;
    }
    Ok(sockets.into_iter().map(|(_, it)| it.into()).collect())
}

/// What it stands for, each once.
fn resolve(addr: &str) -> Result<Vec<SocketAddr>, BindError> {
    if let Ok(addr) = addr.parse() {
        return Ok(vec![addr]);
    }
    // The same everywhere, also where no file and no server says so (RFC 6761, 6.3).
    if let Some(port) = addr.strip_prefix("localhost:")
        && let Ok(port) = port.parse()
    {
        return Ok(vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ]);
    }
    let found = addr
        .to_socket_addrs()
        .map_err(|e| BindError::Bad(format!("{e}; {EXPECTED}")))?;
    let mut all = Vec::new();
    for it in found {
        if !all.contains(&it) {
            all.push(it);
        }
    }
    match all[..] {
        [] => Err(BindError::Bad("the name has no address".to_owned())),
        _ => Ok(all),
    }
}

type Bound = (SocketAddr, Socket);

/// All addresses of the machine, in the families that it has.
fn everywhere(addr: SocketAddr) -> Result<Bound, BindError> {
    let port = addr.port();
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let other = match addr {
        SocketAddr::V4(_) => v6,
        SocketAddr::V6(_) => v4,
    };
    if addr.is_ipv4()
        && has_only_v6(&own_addresses())
        && let Ok(socket) = bind_one(v6)
    {
        voice::event(Level::INFO, move || {
            tracing::info!(target: "lameduck", asked = %addr, listening = %v6, "no IPv4 address here");
        });
        return Ok((v6, socket));
    }
    match bind_one(addr) {
        Ok(socket) => Ok((addr, socket)),
        Err(e) if is_absent(&e) => match bind_one(other) {
            Ok(socket) => {
                voice::event(Level::INFO, move || {
                    tracing::info!(target: "lameduck", asked = %addr, listening = %other, error = %e, "no such addresses here");
                });
                Ok((other, socket))
            }
            Err(second) => Err(problem(other, &second)),
        },
        Err(e) => Err(problem(addr, &e)),
    }
}

#[cfg(unix)]
fn own_addresses() -> Vec<IpAddr> {
    crate::system::sys::own_addresses().unwrap_or_default()
}

#[cfg(not(unix))]
fn own_addresses() -> Vec<IpAddr> {
    Vec::new()
}

/// Whether whoever wants to reach this machine can do so by IPv6 only. What is only good within a
/// link is no address to be reached at.
fn has_only_v6(own: &[IpAddr]) -> bool {
    let v4 = || own.iter().filter(|it| it.is_ipv4());
    let v6 = || {
        own.iter().filter(|it| match it {
            IpAddr::V4(_) => false,
            IpAddr::V6(it) => !it.is_unicast_link_local(),
        })
    };
    if v4().any(|it| !it.is_loopback()) {
        return false;
    }
    v6().any(|it| !it.is_loopback()) || (v4().next().is_none() && v6().next().is_some())
}

/// Each of `all` that the machine has. `asked` is how they were written.
fn each(asked: &str, all: &[SocketAddr]) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::new();
    let mut absent = None;
    for &addr in all {
        match bind_one(addr) {
            Ok(socket) => bound.push((addr, socket)),
            Err(e) if is_absent(&e) => absent = Some((addr, e)),
            Err(e) => return Err(problem(addr, &e)),
        }
        // The system chooses a port for each, and a server has one.
        if addr.port() == 0 && !bound.is_empty() {
            break;
        }
    }
    match absent {
        Some((addr, e)) if bound.is_empty() => Err(BindError::Refused(match all {
            [_] => format!("{e}; {}", instead(addr)),
            _ => format!(
                "{e}: none of the addresses of {asked} is one of this machine; `ip addr` lists those"
            ),
        })),
        Some((addr, e)) => {
            let asked = asked.to_owned();
            voice::event(Level::INFO, move || {
                tracing::info!(target: "lameduck", asked, address = %addr, error = %e, "passed over");
            });
            Ok(bound)
        }
        None => Ok(bound),
    }
}

/// What to write in place of an address that the machine does not have.
fn instead(addr: SocketAddr) -> String {
    let port = addr.port();
    if addr.ip().is_loopback() {
        return format!("write localhost:{port} for whichever of 127.0.0.1 and ::1 there is");
    }
    let everything = match addr {
        SocketAddr::V4(_) => format!("0.0.0.0:{port}"),
        SocketAddr::V6(_) => format!("[::]:{port}"),
    };
    format!("write an address that `ip addr` lists, or {everything} for all")
}

fn problem(addr: SocketAddr, error: &io::Error) -> BindError {
    match error.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(addr.to_string()),
        io::ErrorKind::PermissionDenied if addr.port() < 1024 => BindError::Refused(format!(
            "{error}; a port below 1024 takes a privilege (CAP_NET_BIND_SERVICE): write {}, or give it",
            SocketAddr::new(addr.ip(), 8080)
        )),
        _ => BindError::Refused(error.to_string()),
    }
}

/// Whether the machine has no such address, or nothing of its family.
fn is_absent(error: &io::Error) -> bool {
    #[cfg(unix)]
    if matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EPFNOSUPPORT)
    ) {
        return true;
    }
    error.kind() == io::ErrorKind::AddrNotAvailable
}

/// A socket that does not listen yet.
fn bind_one(addr: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix this only lets a restarted server take over from connections in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // IPv4 too, whatever `net.ipv6.bindv6only` says. Where that cannot be, IPv6 alone.
    if addr.ip() == Ipv6Addr::UNSPECIFIED {
        let _ = socket.set_only_v6(false);
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(addresses: &str) -> Vec<IpAddr> {
        let each = addresses.split_whitespace();
        each.map(|it| it.parse().unwrap()).collect()
    }

    #[test]
    fn a_place_with_only_ipv6_is_told_from_others() {
        for only_v6 in ["127.0.0.1 ::1 fe80::1 fd00::7", "::1", "fd00::7"] {
            assert!(has_only_v6(&own(only_v6)), "{only_v6}");
        }
        for other in [
            "",
            "127.0.0.1",
            "127.0.0.1 ::1",
            "127.0.0.1 ::1 fe80::1",
            "127.0.0.1 10.0.0.7 ::1 fd00::7",
        ] {
            assert!(!has_only_v6(&own(other)), "{other}");
        }
    }

    #[test]
    fn a_name_is_bound_at_all_of_its_addresses() {
        let free = bind_tcp("localhost:0").unwrap();
        assert_eq!(free.len(), 1, "one port that nobody has to know before");
        let port = free[0].local_addr().unwrap().port();
        drop(free);
        let both = bind_tcp(&format!("localhost:{port}")).unwrap();
        let has_v6 = TcpListener::bind("[::1]:0").is_ok();
        assert_eq!(both.len(), 1 + usize::from(has_v6));
    }

    #[test]
    fn one_address_of_a_name_in_use_is_an_error_and_names_it() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = other.local_addr().unwrap();
        let error = bind_tcp(&format!("localhost:{}", at.port())).unwrap_err();
        assert_eq!(error, BindError::InUse(at.to_string()));
    }

    #[test]
    fn all_addresses_are_both_families() {
        let socket = bind_tcp("[::]:0").unwrap().remove(0);
        let port = socket.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_what_to_write() {
        let error = bind_tcp("192.0.2.1:8080").unwrap_err().to_string();
        assert!(
            error.contains("write an address that `ip addr` lists, or 0.0.0.0:8080"),
            "{error}"
        );
    }
}
