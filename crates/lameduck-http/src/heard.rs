//! The first byte of a connection that does not begin with HTTP.

use std::future::poll_fn;
use std::task::Poll;

use super::conn::{Conn, Order};
use super::socket::Socket;

/// What came first.
pub(super) enum Heard {
    /// There is something to read.
    Something,
    /// There is not, and the connection is to be closed.
    Nothing,
    /// The connection is to be cut.
    TooLate,
}

/// Waits for the first byte of what comes before HTTP. Until then a connection costs no more than its socket.
pub(super) async fn heard(socket: &Socket, conn: &Conn) -> Heard {
    poll_fn(|cx| {
        conn.bell.hear(cx);
        if socket.poll_readable(cx).is_ready() {
            return Poll::Ready(Heard::Something);
        }
        match conn.order() {
            Order::Serve | Order::GoAway => Poll::Pending,
            Order::Cut => Poll::Ready(Heard::TooLate),
            Order::CloseIdle if socket.has_unread() => {
                conn.decline(Order::CloseIdle);
                Poll::Pending
            }
            Order::CloseIdle => Poll::Ready(Heard::Nothing),
        }
    })
    .await
}
