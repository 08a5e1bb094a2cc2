//! `sqlx` pools: every idle connection says goodbye, and those still checked out are counted
//! instead of waited for without end (sqlx#1764, sqlx#1773).

use std::future::Future;

use sqlx::{Database, Pool};

use super::Close;
use crate::component::BoxError;

impl<DB: Database> Close for Pool<DB> {
    fn close(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send {
        let (closed, pool) = (Pool::close(self), self.clone());
        async move {
            closed.await;
            match pool.size() {
                0 => Ok(()),
                left => Err(format!("{left} connections still open").into()),
            }
        }
    }

    fn waits_for(&self) -> Option<String> {
        let (all, idle) = (self.size() as usize, self.num_idle());
        (all > idle).then(|| format!("{} of {all} connections still checked out", all - idle))
    }
}
