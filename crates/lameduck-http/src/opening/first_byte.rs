//! The first byte of a connection that does not begin with HTTP.

use std::future::poll_fn;
use std::task::Poll;

use crate::connection::conn::{Conn, Order};
use crate::connection::linger::linger;
use crate::connection::stream::Stream;
use crate::listen::socket::Socket;

/// What came first.
enum Heard {
    /// There is something to read.
    Something,
    /// There is not, and the connection is to be closed.
    Nothing,
    /// The connection is to be cut.
    TooLate,
}

/// The socket, when the first byte has come of what comes before HTTP; `None` if the connection is over before.
pub(crate) async fn first_byte(socket: Socket, conn: &Conn) -> Option<Socket> {
    conn.opens();
    match heard(&socket, conn).await {
        Heard::Something => {
            conn.first_of_opening();
            Some(socket)
        }
        Heard::Nothing => {
            linger(Stream::Plain(socket), conn).await;
            None
        }
        Heard::TooLate => None,
    }
}

/// Until something comes a connection costs no more than its socket.
async fn heard(socket: &Socket, conn: &Conn) -> Heard {
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
