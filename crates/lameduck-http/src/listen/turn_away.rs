//! A listening socket that takes no newcomers any more, and loses none who have come.

use std::io;

use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener;

/// Has the kernel begin no more handshakes with this socket.
///
/// A socket that is bound to a network interface hears of connections through that interface only.
/// No interface has the highest index there is, so nobody finds the socket any more, and whoever
/// tries is refused at once (`SO_BINDTOIFINDEX`, socket(7): Linux 5.0, without privilege since 5.7).
/// A handshake under way has its own entry in the kernel's tables and goes on. What is accepted is
/// not bound.
///
/// Where that is not possible: a filter that drops the SYNs. That takes a privilege on newer
/// kernels, and whoever tries waits for a second before it tries again and is refused.
pub(super) fn turn_away(listener: &TcpListener) -> io::Result<()> {
    const NO_INTERFACE: Option<std::num::NonZeroU32> = std::num::NonZeroU32::new(i32::MAX as u32);
    SockRef::from(listener)
        .bind_device_by_index_v4(NO_INTERFACE)
        .or_else(|_| drop_bare_syns(listener))
}

/// Has the kernel drop every SYN that opens a connection.
///
/// A socket filter on a TCP socket sees the segment from its TCP header on; the flags are byte 13.
/// Dropped is what has SYN (0x02) and not ACK (0x10).
fn drop_bare_syns(listener: &TcpListener) -> io::Result<()> {
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
    const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, 0x12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}
