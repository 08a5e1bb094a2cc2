//! The first byte of a connection that does not begin with HTTP.

use std::future::poll_fn;
use std::task::Poll;

use crate::connection::conn::{Conn, Order};
use crate::connection::linger::linger;
use crate::connection::stream::ConnectionStream;
use crate::listen::socket::ClientSocket;

/// What came first.
enum FirstByte {
    /// There is something to read.
    Came,
    /// There is not, and the connection is to be closed.
    NotComing,
    /// The connection is to be cut.
    TooLate,
}

/// The socket, when the first byte has come of what comes before HTTP; `None` if the connection is over before.
pub(crate) async fn first_byte(socket: ClientSocket, conn: &Conn) -> Option<ClientSocket> {
    conn.opens();
    match wait_for_byte(&socket, conn).await {
        FirstByte::Came => {
            conn.first_of_opening();
            Some(socket)
        }
        FirstByte::NotComing => {
            linger(ConnectionStream::Plain(socket), conn).await;
            None
        }
        FirstByte::TooLate => None,
    }
}

/// Until something comes a connection costs no more than its socket.
async fn wait_for_byte(socket: &ClientSocket, conn: &Conn) -> FirstByte {
    poll_fn(|cx| {
        conn.waker.register(cx);
        if socket.poll_readable(cx).is_ready() {
            return Poll::Ready(FirstByte::Came);
        }
        match conn.order() {
            Order::Serve | Order::GoAway => Poll::Pending,
            Order::Cut => Poll::Ready(FirstByte::TooLate),
            Order::CloseIdle if socket.has_unread() => {
                conn.decline(Order::CloseIdle);
                Poll::Pending
            }
            Order::CloseIdle => Poll::Ready(FirstByte::NotComing),
        }
    })
    .await
}
