//! Jobs on their way to a queue that takes no part in the transactions of the orders' database.
//!
//! An order and its job must be committed together, and no broker can be part of that. So the job
//! goes into a table beside the orders, in their transaction, and from there to the broker: taken
//! out of the table in a transaction that is committed only after the broker has confirmed. A crash
//! in between leaves the job in the table, and it is published again: at least once, never not at
//! all.

#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use lameduck::Handle;
use tokio::sync::Notify;

use crate::database::Database;
use crate::queue::{Elsewhere, Receipt};

const PUT: &str = "INSERT INTO outbox (job) VALUES ($1)";

/// How many are published at a time.
const BATCH: i64 = 100;

/// How often to look without being told that there is something, for what another shop has left.
const LOOK: Duration = Duration::from_secs(1);

/// Carries jobs from the outbox to the queue.
pub(crate) struct Relay {
    pub(crate) database: Database,
    pub(crate) to: Elsewhere,
    pub(crate) committed: Arc<Notify>,
}

impl Relay {
    /// Runs until nobody can put anything into the outbox any more, and it is empty.
    pub(crate) async fn run(self, handle: Handle) -> anyhow::Result<()> {
        loop {
            let last = tokio::select! {
                biased;
                () = handle.until_unused() => true,
                () = self.committed.notified() => false,
                () = tokio::time::sleep(LOOK) => false,
            };
            match self.empty().await {
                Ok(()) if last => return Ok(()),
                Ok(()) => {}
                // What is left stays in its table, for this shop's next try or for another shop.
                Err(error) if handle.is_past_drain_deadline() => {
                    tracing::warn!(%error, "jobs are left in the outbox");
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot publish what is in the outbox");
                    tokio::select! {
                        () = handle.until_drain_deadline() => {}
                        () = tokio::time::sleep(Duration::from_millis(200)) => {}
                    }
                }
            }
        }
    }

    /// Publishes everything that is there.
    async fn empty(&self) -> anyhow::Result<()> {
        while self.publish_some().await? == BATCH as usize {}
        Ok(())
    }

    async fn publish_some(&self) -> anyhow::Result<usize> {
        match &self.database {
            Database::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let n = self.publish(sqlite::take(&mut tx).await?).await?;
                tx.commit().await?;
                Ok(n)
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let n = self.publish(postgres::take(&mut tx).await?).await?;
                tx.commit().await?;
                Ok(n)
            }
        }
    }

    async fn publish(&self, jobs: Vec<String>) -> anyhow::Result<usize> {
        let jobs: Vec<Receipt> = jobs
            .iter()
            .map(|job| serde_json::from_str(job))
            .collect::<Result<_, _>>()?;
        if !jobs.is_empty() {
            self.to.publish(&jobs).await?;
        }
        Ok(jobs.len())
    }
}
