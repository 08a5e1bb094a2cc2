#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

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

    async fn waits_for(&self, _within: Duration) -> Option<String> {
        let in_use = self.0.status().size;
        (in_use > 0).then(|| format!("{in_use} connections still checked out"))
    }
}
