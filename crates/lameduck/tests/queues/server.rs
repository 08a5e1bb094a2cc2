//! What the statements need of a queue's server.

use std::ops::Range;
use std::time::{Duration, Instant};

use lameduck::Queue;

/// A server with one queue for one test.
pub trait Server: Sized {
    type Queue: Queue;

    /// How long jobs stay with a worker that has crashed, in these tests. Zero if the end of its
    /// connection is what counts.
    const LEASE: Duration;

    /// Whether what was handed out in an answer that got lost is given back by the worker. Otherwise the
    /// server has it back by itself: when the connection ends, or after [`LEASE`](Server::LEASE).
    const GIVES_BACK_UNKNOWN: bool;

    /// `None`, having said so, if the server is not installed.
    async fn start() -> Option<Self>;

    /// Another worker's view of the queue.
    async fn queue(&self) -> Self::Queue;

    /// Pushes jobs that say these numbers.
    async fn push(&self, jobs: Range<u64>);

    /// How many jobs there are that are not done. To be asked when nobody works.
    async fn left(&self) -> usize;
}

/// A server that others can find.
pub trait Addressed: Server {
    /// Where it is, and the queue with it. Has `127.0.0.1` and a port in it, if there is one.
    fn address(&self) -> String;

    async fn queue_at(address: &str) -> Self::Queue;
}

/// A server whose connections come from a pool of the application's.
pub trait Pooled: Server {
    type Pool;
    type Connection;

    /// Another worker's view of the queue, of an application that has one connection.
    async fn queue_on_one_connection(&self) -> (Self::Queue, Self::Pool);

    async fn acquire(pool: &Self::Pool) -> Self::Connection;
}

/// A server that can be killed, with all that it has not written down.
pub trait Mortal: Server {
    /// One that no other test uses. `None` as with [`Server::start`].
    async fn start_alone() -> Option<Self>;

    fn kill(&mut self);

    fn start_again(&mut self);
}

/// So many jobs are there that are not done; a server that has just started may take a moment to
/// find them.
pub async fn assert_left(server: &impl Server, expected: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = server.left().await;
        if left == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{left} jobs are left instead of {expected}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
