//! What the tests need of a queue's server.

use std::ops::Range;
use std::time::Duration;

use lameduck::Queue;

/// A server with one queue for one test.
pub trait Server: Sized {
    type Queue: Queue;

    /// How long jobs stay with a worker that has crashed, in these tests. Zero if the end of its
    /// connection is what counts.
    const LEASE: Duration;

    /// `None`, having said so, if the server is not installed. `alone` if it will be killed.
    async fn start(alone: bool) -> Option<Self>;

    async fn queue(&self) -> Self::Queue;

    async fn push(&self, jobs: Range<u64>);

    /// How many jobs there are that are not done. To be asked when nobody works.
    async fn left(&self) -> usize;

    fn kill(&mut self);

    fn start_again(&mut self);
}
