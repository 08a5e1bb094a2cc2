//! What is taken from a command is really gone: a surrounding that is not there proves nothing.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::process::Command;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, netlink, socket};

const INNER: &str = "LAMEDUCK_BENCH_TEST_WITHOUT";

/// Whether there are sockets of netlink, of IPv6, of Unix, and whether a socket can be bound to an interface by
/// its number.
fn there_is() -> [bool; 4] {
    let netlink = socket(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        Some(netlink::SOCK_DIAG),
    );
    let of = |family| socket(family, SocketType::STREAM, None).is_ok();
    let tcp = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let bound = tcp.bind_device_by_index_v4(std::num::NonZeroU32::new(1));
    let refused = bound.err().and_then(|it| Errno::from_io_error(&it));
    [
        netlink.is_ok(),
        of(AddressFamily::INET6),
        of(AddressFamily::UNIX),
        refused != Some(Errno::NOPROTOOPT),
    ]
}

#[test]
fn a_profile_takes_away_what_it_says_and_no_more() {
    if let Some(expected) = std::env::var_os(INNER) {
        assert_eq!(format!("{:?}", there_is()), expected.to_str().unwrap());
        return;
    }
    for (flags, expected) in [
        (&["--netlink"][..], [false, true, true, true]),
        (&["--ipv6"], [true, false, true, true]),
        (&["--unix"], [true, true, false, true]),
        (&["--unix", "--eperm"], [true, true, false, true]),
        (&["--bindtoifindex"], [true, true, true, false]),
        (
            &["--netlink", "--bindtoifindex"],
            [false, true, true, false],
        ),
        (&[], [true; 4]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lameduck-bench"))
            .arg("without")
            .args(flags)
            .arg("--")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "a_profile_takes_away_what_it_says_and_no_more"])
            .env(INNER, format!("{expected:?}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{flags:?}: {said}");
    }
}
