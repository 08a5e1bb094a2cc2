//! What the kernel holds for a TCP connection of this machine, asked for through `NETLINK_SOCK_DIAG` (sock_diag(7)): it
//! needs no privilege, and sees the network namespace of the prover.

use std::net::SocketAddr;

/// The queues of one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SocketQueues {
    /// Bytes that have come and were not read.
    pub(super) unread: u32,
    /// Bytes that were sent, or are to be sent, and are not acknowledged.
    pub(super) unacknowledged: u32,
    /// A process has it: it is not in the queue of its listener any more.
    pub(super) is_accepted: bool,
    /// The other end has sent its FIN.
    pub(super) has_ended: bool,
}

/// The end at `local` of the connection with `peer`; `None` if there is none here, or nobody can tell.
#[cfg(target_os = "linux")]
pub(super) fn socket_queues(local: SocketAddr, peer: SocketAddr) -> Option<SocketQueues> {
    linux::ask(local, peer).ok().flatten()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn socket_queues(_: SocketAddr, _: SocketAddr) -> Option<SocketQueues> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::net::{IpAddr, SocketAddr};

    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send,
        socket_with,
    };

    use super::SocketQueues;

    // From <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h> and <net/tcp_states.h>.
    const NLM_F_REQUEST: u16 = 0x001;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const IPPROTO_TCP: u8 = 6;
    const TCP_ESTABLISHED: u8 = 1;
    const TCP_LISTEN: u8 = 10;
    const HEADER: usize = 16;
    /// `struct inet_diag_sockid`, behind four single bytes and a word of states in the request, behind the four bytes
    /// alone in the answer.
    const SOCKET_ID: usize = 48;
    const REQUEST: usize = HEADER + 8 + SOCKET_ID;
    /// In the answer, behind the id and a timer.
    const QUEUES: usize = HEADER + 4 + SOCKET_ID + 4;

    pub(super) fn ask(local: SocketAddr, peer: SocketAddr) -> io::Result<Option<SocketQueues>> {
        let (family, protocol) = (AddressFamily::NETLINK, Some(netlink::SOCK_DIAG));
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::DGRAM, flags, protocol)?;
        send(&socket, &request(local, peer), SendFlags::empty())?;
        // The kernel has answered before `send` returns.
        let mut answer = [0; 512];
        let (read, _) = recv(&socket, &mut answer[..], RecvFlags::DONTWAIT)?;
        Ok(answer.get(..read).and_then(queues))
    }

    /// `struct nlmsghdr` and `struct inet_diag_req_v2`, for exactly one socket.
    fn request(local: SocketAddr, peer: SocketAddr) -> [u8; REQUEST] {
        let mut message = [0; REQUEST];
        message[0..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
        message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
        message[HEADER] = match local {
            SocketAddr::V4(_) => AddressFamily::INET.as_raw() as u8,
            SocketAddr::V6(_) => AddressFamily::INET6.as_raw() as u8,
        };
        message[HEADER + 1] = IPPROTO_TCP;
        message[HEADER + 4..HEADER + 8].copy_from_slice(&u32::MAX.to_ne_bytes());
        let id = &mut message[HEADER + 8..];
        id[0..2].copy_from_slice(&local.port().to_be_bytes());
        id[2..4].copy_from_slice(&peer.port().to_be_bytes());
        address(&mut id[4..20], local.ip());
        address(&mut id[20..36], peer.ip());
        // Whatever its cookie.
        id[40..48].copy_from_slice(&[0xff; 8]);
        message
    }

    fn address(room: &mut [u8], ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => room[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => room.copy_from_slice(&ip.octets()),
        }
    }

    fn queues(answer: &[u8]) -> Option<SocketQueues> {
        let kind = answer.get(4..6)?;
        let state = *answer.get(HEADER + 1)?;
        // Where there is no such connection the kernel shows who listens there.
        if kind != SOCK_DIAG_BY_FAMILY.to_ne_bytes() || state == TCP_LISTEN {
            return None;
        }
        let word = |at: usize| {
            let bytes = answer.get(QUEUES + at..QUEUES + at + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().ok()?))
        };
        let inode = word(12)?;
        Some(SocketQueues {
            unread: word(0)?,
            unacknowledged: word(4)?,
            is_accepted: inode != 0,
            has_ended: state != TCP_ESTABLISHED,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn it_is_seen_when_a_connection_is_accepted_and_what_came_on_it_is_read() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let mut there = listener.local_addr().unwrap();
            // Over IPv4, where the listener has both.
            if there.ip().is_unspecified() {
                there.set_ip("127.0.0.1".parse().unwrap());
            }
            let mut client = TcpStream::connect(there).unwrap();
            let here = client.local_addr().unwrap();
            let served = || socket_queues(there, here).unwrap();
            assert!(!served().is_accepted, "{address}");
            client.write_all(&[b'x'; 100]).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let queues = served();
            assert_eq!((queues.unread, queues.is_accepted), (100, true));
            stream.read_exact(&mut [0; 100]).unwrap();
            assert_eq!(served().unread, 0);
            assert_eq!(socket_queues(here, there).unwrap().unacknowledged, 0);
            stream.write_all(b"answer").unwrap();
            assert_eq!(socket_queues(here, there).unwrap().unread, 6);
            assert!(!socket_queues(here, there).unwrap().has_ended);
            drop(stream);
            assert!(socket_queues(here, there).unwrap().has_ended);
            let nobody = "127.0.0.1:1".parse().unwrap();
            assert_eq!(socket_queues(there, nobody), None, "{address}");
        }
    }
}
