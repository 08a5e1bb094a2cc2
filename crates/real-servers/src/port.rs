//! A loopback port that nobody else takes, also not while its server is dead for a moment.
//!
//! Two things would take a port that was merely seen to be free: another test that looks for one, and
//! any outgoing connection, whose own port the kernel picks. Against the second, ports are taken from
//! below the range the kernel picks from. Against the first, the UDP port of the same number is held
//! as a reservation: the kernel gives it to one process on the machine and takes it back whatever
//! becomes of that process.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Below this, ports belong to well-known services.
const LOWEST: u16 = 10_000;

/// Linux picks outgoing ports from here on, by default.
const USUAL_EPHEMERAL: u16 = 32_768;

#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _reservation: UdpSocket,
}

impl Port {
    /// # Panics
    /// If a thousand ports in a row are taken.
    pub(crate) fn free() -> Port {
        let highest = first_ephemeral().max(LOWEST + 1_000);
        let random = RandomState::new();
        for attempt in 0..1_000_u32 {
            let span = u64::from(highest - LOWEST);
            let offset = u16::try_from(random.hash_one(attempt) % span).unwrap_or(0);
            if let Some(port) = Port::reserve(LOWEST + offset) {
                return port;
            }
        }
        panic!("no free loopback port found between {LOWEST} and {highest}");
    }

    fn reserve(number: u16) -> Option<Port> {
        let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        // Any address, because a server elsewhere may listen on all of them.
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
        Some(Port {
            number,
            _reservation: reservation,
        })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

fn first_ephemeral() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(USUAL_EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::Port;

    #[test]
    fn ports_held_at_the_same_time_differ() {
        let ports: Vec<Port> = (0..50).map(|_| Port::free()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ports.len());
    }

    #[test]
    fn a_port_in_use_by_a_stranger_is_passed_over() {
        let port = Port::free();
        let number = port.number();
        drop(port);
        let _stranger =
            std::net::TcpListener::bind(("127.0.0.1", number)).expect("it was free just now");
        assert!(Port::reserve(number).is_none());
    }
}
