//! `bb8` pools of whatever a manager manages.
//!
//! `bb8` has no way to close a pool: a connection is dropped when the pool is, and that is when
//! nobody has a clone of it. So this waits until no connection is checked out, and gives up its
//! own clone. The goodbye is what the driver does when its connection is dropped, at the latest when
//! `main` returns.

use std::time::Duration;

use ::bb8::{ManageConnection, Pool};

use super::Close;
use crate::component::BoxError;

/// How often to look whether all have come back: the pool tells nobody.
const LOOK: Duration = Duration::from_millis(5);

fn in_use<M: ManageConnection>(pool: &Pool<M>) -> u32 {
    let state = pool.state();
    state.connections.saturating_sub(state.idle_connections)
}

impl<M: ManageConnection> Close for Pool<M> {
    async fn close(&mut self) -> Result<(), BoxError> {
        while in_use(self) > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn waits_for(&self) -> Option<String> {
        let (in_use, most) = (in_use(self), self.config().max_size);
        (in_use > 0).then(|| format!("{in_use} of at most {most} connections still checked out"))
    }
}
