//! The local TCP ports of this process's own sockets, from what the kernel tells every process of
//! itself.

use std::collections::HashSet;

/// The ports, or `None` where the kernel does not tell.
pub(super) fn own_ports() -> Option<Vec<i32>> {
    let sockets: HashSet<String> = std::fs::read_dir("/proc/self/fd")
        .ok()?
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let target = target.to_str()?;
            let inode = target.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let mut ports = Vec::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        // Without IPv6 there is no second one.
        let Ok(table) = std::fs::read_to_string(table) else {
            continue;
        };
        ports.extend(table.lines().filter_map(|line| port_of(line, &sockets)));
    }
    (!ports.is_empty()).then_some(ports)
}

/// The local port of a line of the table, if the socket is one of `sockets`.
fn port_of(line: &str, sockets: &HashSet<String>) -> Option<i32> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let inode = fields.nth(7)?;
    let (_, port) = local.rsplit_once(':')?;
    sockets
        .contains(inode)
        .then(|| i32::from_str_radix(port, 16).ok())
        .flatten()
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
