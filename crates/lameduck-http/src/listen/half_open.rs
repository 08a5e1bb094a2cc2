//! How many handshakes with a port of ours are half done.
//!
//! A handshake whose last ACK is on its way is in no queue that the listening socket shows: not in
//! `TCP_INFO`, not among the connections to accept. The kernel's list of connections has it, in
//! state SYN_RECV. Asked for through `NETLINK_SOCK_DIAG` (sock_diag(7)), which lists only that
//! state; where that is forbidden, read from `/proc/net/tcp` (proc_pid_net(5)), which lists
//! everything and so takes a millisecond for a thousand connections. Both see the network
//! namespace of the process, and need no privilege.

use std::io;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use tokio::sync::oneshot;

use crate::system::descriptors::with_spare;

/// How many, in either IP version; an error if the system does not say.
fn count(port: u16) -> io::Result<usize> {
    ask_kernel(port).or_else(|_| read_tables(port))
}

// From <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h> and <net/tcp_states.h>.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
const TCP_SYN_RECV: u32 = 3;
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Where the header's port is in an answer: header, four single bytes, then the ports.
const ANSWER_PORT: usize = HEADER + 4;

fn ask_kernel(port: u16) -> io::Result<usize> {
    let socket = with_spare(|| {
        let (family, protocol) = (AddressFamily::NETLINK, Some(netlink::SOCK_DIAG));
        Ok(socket_with(
            family,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            protocol,
        )?)
    })?;
    // On one connection at a time; a kernel that does not answer must not hold the shutdown.
    rustix::net::sockopt::set_socket_timeout(
        &socket,
        rustix::net::sockopt::Timeout::Recv,
        Some(std::time::Duration::from_millis(200)),
    )?;
    let mut buffer = vec![0; 32 * 1024];
    let mut found = 0;
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        send(
            &socket,
            &request(family.as_raw() as u8, port),
            SendFlags::empty(),
        )?;
        loop {
            let (n, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
            let answer = read_answer(buffer.get(..n).unwrap_or(&buffer), port)?;
            found += answer.found;
            if answer.last {
                break;
            }
        }
    }
    Ok(found)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: dump what is in SYN_RECV on our port.
fn request(family: u8, port: u16) -> [u8; REQUEST] {
    let mut message = [0; REQUEST];
    message[0..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message[HEADER] = family;
    message[HEADER + 1] = IPPROTO_TCP;
    message[HEADER + 4..HEADER + 8].copy_from_slice(&(1_u32 << TCP_SYN_RECV).to_ne_bytes());
    message[HEADER + 8..HEADER + 10].copy_from_slice(&port.to_be_bytes());
    message
}

#[derive(Debug, PartialEq, Eq)]
struct DiagAnswer {
    found: usize,
    last: bool,
}

/// The messages of one datagram.
fn read_answer(mut rest: &[u8], port: u16) -> io::Result<DiagAnswer> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "not a netlink message");
    let mut answer = DiagAnswer {
        found: 0,
        last: false,
    };
    while rest.len() >= HEADER {
        let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let message = rest
            .get(..length)
            .filter(|m| m.len() >= HEADER)
            .ok_or_else(bad)?;
        match u16::from_ne_bytes([message[4], message[5]]) {
            NLMSG_DONE => answer.last = true,
            NLMSG_ERROR => {
                let code = message.get(HEADER..HEADER + 4).ok_or_else(bad)?;
                let code = i32::from_ne_bytes([code[0], code[1], code[2], code[3]]);
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => {
                let ours = message.get(ANSWER_PORT..ANSWER_PORT + 2) == Some(&port.to_be_bytes());
                answer.found += usize::from(ours);
            }
        }
        // Messages begin at multiples of four bytes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(answer)
}

fn read_tables(port: u16) -> io::Result<usize> {
    let v4 = with_spare(|| std::fs::read_to_string("/proc/net/tcp"))?;
    // Absent where IPv6 is.
    let v6 = with_spare(|| std::fs::read_to_string("/proc/net/tcp6")).unwrap_or_default();
    Ok(count_syn_received(&v4, port) + count_syn_received(&v6, port))
}

/// Counts the lines of a table in state SYN_RECV with our local port: `sl local_address
/// rem_address st …`, in hexadecimal.
fn count_syn_received(table: &str, port: u16) -> usize {
    let port = format!(":{port:04X}");
    table
        .lines()
        .filter(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            fields.next().is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some("03")
        })
        .count()
}

/// How many handshakes with our ports are half done; `None` if the system does not say. On a thread
/// of its own, because the answer may take milliseconds.
pub(super) async fn half_open(ports: Vec<u16>) -> Option<usize> {
    if ports.is_empty() {
        return Some(0);
    }
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name("lameduck-half-open".into())
        .spawn(move || {
            let all = ports.into_iter().map(count);
            let _ = answer.send(all.sum::<io::Result<usize>>().ok());
        })
        .ok()?;
    answered.await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_by_port_and_state() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
            1: 0100007F:1F90 0100007F:C350 03 00000000:00000000\n\
            2: 0100007F:1F91 0100007F:C351 03 00000000:00000000\n\
            3: 0100007F:1F90 0100007F:C352 01 00000000:00000000\n";
        assert_eq!(count_syn_received(table, 8080), 1);
    }

    #[test]
    fn an_established_connection_is_not_half_open() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let _client = std::net::TcpStream::connect(addr).unwrap();
        assert_eq!(ask_kernel(addr.port()).unwrap(), 0);
        assert_eq!(read_tables(addr.port()).unwrap(), 0);
    }

    /// The last ACK of the handshake is dropped, as if it were still on its way.
    #[test]
    fn a_handshake_without_its_last_ack_is_half_open() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let lose_acks = [
            socket2::SockFilter::new(0x30, 0, 0, 13),
            socket2::SockFilter::new(0x54, 0, 0, 0x10),
            socket2::SockFilter::new(0x15, 0, 1, 0x10),
            socket2::SockFilter::new(0x06, 0, 0, 0),
            socket2::SockFilter::new(0x06, 0, 0, u32::MAX),
        ];
        if let Err(e) = socket2::SockRef::from(&listener).attach_filter(&lose_acks) {
            real_servers::skip(format_args!("no socket filters here: {e} (CAP_NET_ADMIN)"));
            return;
        }
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert!(soon(|| ask_kernel(port).unwrap() == 1));
        assert!(soon(|| read_tables(port).unwrap() == 1));
    }

    /// While connections come and go, the kernel's tables may skip a line.
    fn soon(it: impl Fn() -> bool) -> bool {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while std::time::Instant::now() < until {
            if it() {
                return true;
            }
        }
        false
    }

    #[test]
    fn messages_are_read_to_the_last_and_nonsense_is_an_error() {
        let mut one = vec![0; 20];
        one[0..4].copy_from_slice(&20_u32.to_ne_bytes());
        one[4..6].copy_from_slice(&NLMSG_DONE.to_ne_bytes());
        let done = DiagAnswer {
            found: 0,
            last: true,
        };
        assert_eq!(read_answer(&one, 1).unwrap(), done);
        one[0..4].copy_from_slice(&200_u32.to_ne_bytes());
        assert!(read_answer(&one, 1).is_err());
        one[0..4].copy_from_slice(&0_u32.to_ne_bytes());
        assert!(read_answer(&one, 1).is_err());
    }
}
