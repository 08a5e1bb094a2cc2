//! Jobs in Redis.

use std::fmt;

use anyhow::Context;
use lameduck::apalis::ApalisRedis;
use lameduck::{Close, Lifecycle};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client};

use super::{RECEIPTS, Receipt, Work};
use crate::anyhow;

/// A connection that connects again by itself.
#[derive(Clone)]
pub(crate) struct Redis {
    connection: ConnectionManager,
}

impl Redis {
    pub(super) async fn connect(url: &str) -> anyhow::Result<Redis> {
        let client = Client::open(url).with_context(|| format!("--queue {url}: not an address"))?;
        let config = ConnectionManagerConfig::new().set_number_of_retries(2);
        let connection = ConnectionManager::new_with_config(client, config)
            .await
            .with_context(|| format!("--queue {url}: cannot connect"))?;
        Ok(Redis { connection })
    }

    pub(super) fn queue(&self, work: Work) -> ApalisRedis<ConnectionManager> {
        ApalisRedis::new(&self.connection, RECEIPTS).lease(work.lease)
    }

    pub(super) async fn publish(&self, jobs: &[Receipt]) -> anyhow::Result<()> {
        for job in jobs {
            ApalisRedis::push(&self.connection, RECEIPTS, job)
                .await
                .map_err(anyhow)?;
        }
        Ok(())
    }

    pub(super) async fn waiting(&self) -> anyhow::Result<i64> {
        let config = apalis_redis::Config::default().queue(RECEIPTS);
        let mut connection = self.connection.clone();
        let active: i64 = connection.llen(config.active_jobs_list()).await?;
        let later: i64 = connection.zcard(config.scheduled_jobs_set()).await?;
        Ok(active + later)
    }

    pub(super) fn close(&self, life: Lifecycle) -> Lifecycle {
        life.close(
            "redis",
            lameduck::redis::connection(self.connection.clone()),
        )
    }

    pub(super) async fn close_now(&self) {
        let _ = lameduck::redis::connection(self.connection.clone())
            .close()
            .await;
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}
