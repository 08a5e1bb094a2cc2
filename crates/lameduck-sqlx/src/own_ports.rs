//! The local TCP ports of this process's own sockets.
//!
//! Each of its descriptors is asked. The kernel's table of all sockets would say it too, but on a busy
//! machine it takes longer to read than a closer has time.

/// The ports, or `None` where the system does not tell.
pub(crate) fn own_ports() -> Option<Vec<i32>> {
    let ports: Vec<i32> = std::fs::read_dir("/proc/self/fd")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(port_of)
        .collect();
    (!ports.is_empty()).then_some(ports)
}

#[cfg(unix)]
fn port_of(descriptor: i32) -> Option<i32> {
    let socket = lameduck_core::internal::look_at(descriptor).ok()?.socket?;
    Some(socket.address?.port().into())
}

/// The same where there is no such thing.
#[cfg(not(unix))]
fn port_of(_: i32) -> Option<i32> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_an_own_socket_is_among_them() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = i32::from(listener.local_addr().unwrap().port());
        assert!(own_ports().unwrap().contains(&port));
        drop(listener);
        assert!(!own_ports().unwrap_or_default().contains(&port));
    }
}
