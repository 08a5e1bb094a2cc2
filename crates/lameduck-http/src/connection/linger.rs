//! The end of a connection: over TLS close_notify, then FIN, then read until the peer's own.
//!
//! # What must hold
//!
//! 1. What we have written is not destroyed by what the peer sends afterwards: closing a socket
//!    with unread bytes sends RST, and an RST overtakes data that the peer has not read yet (RFC
//!    9112, 9.6). So the socket is read, and what comes is thrown away.
//! 2. A peer that is still taking bytes may go on taking them until the time for draining is over.
//!    Inside a container the kernel does not finish the work after the process: its network goes
//!    with it.
//! 3. A response that was broken off is not followed by close_notify, which would say that it was
//!    whole (RFC 8446, 6.1); and not by FIN if that is how it would have ended (HTTP/1.0).
//! 4. A peer that does nothing holds a connection for at most [`LINGER`], and once it has
//!    everything and nothing else is in flight, the process for no longer than
//!    [`DELIVERED`](super::sweep::DELIVERED).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};

use super::conn::Conn;
use super::pauses::LINGER;
use super::stream::ConnectionStream;
use lameduck_core::phase::Phase;

/// The same for a peer that goes on sending what nobody will read: 5 s.
const LINGER_READING: Duration = Duration::from_secs(5);
/// How often to see how much the peer has still to take.
const LOOK: Duration = Duration::from_millis(10);

/// Ends the connection in an orderly way; returns when the socket may be closed.
pub(crate) async fn linger(mut stream: ConnectionStream, conn: &Conn) {
    conn.leaves();
    if conn.looks_whole() {
        return stream.into_socket().reset();
    }
    if !conn.is_broken_off() {
        // A socket takes a FIN at once; close_notify may have to wait for the peer to take what is
        // before it.
        tokio::select! {
            biased;
            ended = stream.shutdown() => if ended.is_err() { return },
            () = conn.cut() => return,
            () = sleep(LINGER) => return,
        }
    }
    let encrypted = stream.is_encrypted();
    let mut socket = stream.into_socket();
    if socket.shutdown().await.is_err() {
        return;
    }
    let began = Instant::now();
    let mut until = began + LINGER;
    let mut sink = [0u8; 512];
    let mut left = usize::MAX;
    let mut unconfirmed = conn.is_unconfirmed();
    loop {
        match socket.unacknowledged() {
            0 => {
                conn.delivered();
                left = 0;
                // Nothing is on its way either if the peer has reset the connection.
                if unconfirmed && !socket.has_failed() {
                    unconfirmed = false;
                    conn.confirmed();
                }
            }
            // It has taken some: it is alive.
            less if less < left => {
                left = less;
                until = Instant::now() + LINGER;
            }
            _ => {}
        }
        if Instant::now() >= until {
            return;
        }
        // Ten thousand idle connections end at once: the sweep bounds those that have everything, so
        // that they need no timer, and only those that still send look in between.
        let swept = conn.is_delivered() && conn.handle().phase() >= Phase::Draining;
        let look = if left == 0 {
            until
        } else {
            until.min(Instant::now() + LOOK)
        };
        tokio::select! {
            read = socket.read(&mut sink) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    // Of TLS it may be a close_notify.
                    if !encrypted {
                        conn.sends_more();
                    }
                    until = (Instant::now() + LINGER).min(began + LINGER_READING);
                }
            },
            () = conn.cut() => return,
            () = sleep_until(look), if !swept => {}
        }
    }
}
