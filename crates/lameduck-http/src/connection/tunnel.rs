//! Tunnels over HTTP/2 (CONNECT; RFC 9113, 8.5). Each is in flight from its answer to its end, however many
//! there are on a connection.
//!
//! hyper hands a tunnel to its handler and forgets it, but for a task that brings what the handler writes
//! to the peer. It starts that while it deals with the answer, so the task that is started next on this
//! thread is the tunnel's; unless hyper starts none, and then it drops the answer's body ([`not_opened`]).
//!
//! # What must hold
//!
//! 1. A tunnel is in the ledger, and a stream of its connection open, until the handler has stopped to
//!    write, or the peer has reset it.
//! 2. No other task is taken for that of a tunnel.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;

use hyper::rt::Executor;

use super::conn::Conn;
use lameduck_core::inflight::Guard;

thread_local! {
    /// The tunnel whose task is about to be started.
    static OPENING: Cell<Option<Tunnel>> = const { Cell::new(None) };
}

/// Keeps a tunnel in flight.
pub(crate) struct Tunnel {
    conn: Arc<Conn>,
    _guard: Guard,
}

impl Tunnel {
    /// The next task that is started on this thread is that of a tunnel.
    pub(crate) fn opens(conn: &Arc<Conn>, guard: Guard) {
        conn.tunnel_opened();
        OPENING.set(Some(Tunnel {
            conn: conn.clone(),
            _guard: guard,
        }));
    }
}

/// hyper is done with an answer that opens a tunnel: if it has not started a task by now it starts none.
pub(crate) fn not_opened() {
    drop(OPENING.take());
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.conn.tunnel_ended();
    }
}

/// Starts the tasks of a server's connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spawner;

impl<F> Executor<F> for Spawner
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        match OPENING.take() {
            None => drop(tokio::spawn(task)),
            Some(tunnel) => drop(tokio::spawn(async move {
                task.await;
                drop(tunnel);
            })),
        }
    }
}
