//! `deadpool` pools of whatever a manager manages.
//!
//! Closing drops the idle objects at once and each of the others as it comes back. The goodbye is
//! what the driver does when its connection is dropped: Redis and most others close the socket,
//! which is all that they ask for; `deadpool-postgres` 0.14 aborts the task that would have said
//! Terminate, and PostgreSQL notices an end of file between two commands (at `DEBUG1`, no matter
//! for a session outside a transaction).

use std::time::Duration;

use ::deadpool::managed::{Manager, Object, Pool};

use super::Close;
use crate::component::BoxError;

/// How often to look whether all have come back: the pool tells nobody.
const LOOK: Duration = Duration::from_millis(5);

impl<M, W> Close for Pool<M, W>
where
    M: Manager + 'static,
    W: From<Object<M>> + 'static,
{
    async fn close(&mut self) -> Result<(), BoxError> {
        Pool::close(self);
        while self.status().size > 0 {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn waits_for(&self) -> Option<String> {
        let in_use = self.status().size;
        (in_use > 0).then(|| format!("{in_use} connections still checked out"))
    }
}
