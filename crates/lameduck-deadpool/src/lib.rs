//! Closes [`deadpool`](https://docs.rs/deadpool) pools in order, whatever they hold, for
//! [lameduck](https://docs.rs/lameduck).
//!
//! Closing drops the idle objects at once and each of the others as it comes back. The goodbye is
//! what the driver does when its connection is dropped: Redis and most others close the socket,
//! which is all that they ask for; `deadpool-postgres` 0.14 aborts the task that would have said
//! Terminate, and PostgreSQL notices an end of file between two commands (at `DEBUG1`, no matter
//! for a session outside a transaction).

use std::fmt;
use std::time::Duration;

use deadpool::managed::{Manager, Object, Pool};
use lameduck_core::{BoxError, Close};

/// How often to look whether all have come back: the pool tells nobody.
const LOOK: Duration = Duration::from_millis(5);

/// A pool that is closed when nothing uses it any more. Give it to
/// [`Lifecycle::close`](lameduck_core::Lifecycle::close), and keep clones of the pool for yourself.
pub fn pool<M, W>(pool: Pool<M, W>) -> DeadpoolPool<M, W>
where
    M: Manager,
    W: From<Object<M>>,
{
    DeadpoolPool(pool)
}

/// What [`pool`] makes.
pub struct DeadpoolPool<M: Manager, W: From<Object<M>> = Object<M>>(Pool<M, W>);

impl<M: Manager, W: From<Object<M>>> fmt::Debug for DeadpoolPool<M, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadpoolPool")
            .field(&self.0.status())
            .finish()
    }
}

impl<M, W> Close for DeadpoolPool<M, W>
where
    M: Manager + 'static,
    W: From<Object<M>> + 'static,
{
    async fn close(&mut self) -> Result<(), BoxError> {
        self.0.close();
        while self.0.status().size > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn waits_for(&self) -> Option<String> {
        let in_use = self.0.status().size;
        (in_use > 0).then(|| format!("{in_use} connections still checked out"))
    }
}
