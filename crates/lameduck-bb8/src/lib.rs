#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::time::Duration;

use bb8::{ManageConnection, Pool};
use lameduck_core::{BoxError, Close};

/// How often to look whether all have come back: the pool tells nobody.
const LOOK: Duration = Duration::from_millis(5);

fn in_use<M: ManageConnection>(pool: &Pool<M>) -> u32 {
    let state = pool.state();
    state.connections.saturating_sub(state.idle_connections)
}

/// A pool that is closed when nothing uses it any more. Give it to
/// [`Lifecycle::close`](lameduck_core::Lifecycle::close), and keep clones of the pool for yourself.
pub fn pool<M: ManageConnection>(pool: Pool<M>) -> Bb8Pool<M> {
    Bb8Pool(pool)
}

/// What [`pool`] makes.
#[derive(Debug)]
pub struct Bb8Pool<M: ManageConnection>(Pool<M>);

impl<M: ManageConnection> Close for Bb8Pool<M> {
    async fn close(&mut self) -> Result<(), BoxError> {
        while in_use(&self.0) > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn waits_for(&self, _within: Duration) -> Option<String> {
        let (in_use, most) = (in_use(&self.0), self.0.config().max_size);
        (in_use > 0).then(|| format!("{in_use} of at most {most} connections still checked out"))
    }
}
