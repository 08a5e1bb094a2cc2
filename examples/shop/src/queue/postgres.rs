//! Jobs in PostgreSQL, beside the orders or in a database of their own.

use anyhow::Context;
use lameduck::Lifecycle;
use lameduck::apalis::ApalisPostgres;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool};

use super::{RECEIPTS, Receipt, Work};
use crate::anyhow;

/// A database of its own for the jobs.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(super) async fn connect(url: &str) -> anyhow::Result<Postgres> {
        let options: PgConnectOptions = url
            .parse()
            .with_context(|| format!("--queue {url}: not an address"))?;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options.application_name("shop-queue"))
            .await
            .with_context(|| format!("--queue {url}: cannot connect"))?;
        set_up(&pool).await?;
        Ok(Postgres { pool })
    }

    pub(super) fn queue(&self, work: Work) -> ApalisPostgres {
        queue(&self.pool, work)
    }

    pub(super) async fn publish(&self, jobs: &[Receipt]) -> anyhow::Result<()> {
        let mut tx = self.pool.begin().await?;
        for job in jobs {
            push(&mut tx, job).await?;
        }
        Ok(tx.commit().await?)
    }

    pub(super) async fn waiting(&self) -> anyhow::Result<i64> {
        waiting(&self.pool).await
    }

    pub(super) fn close(&self, life: Lifecycle) -> Lifecycle {
        life.close("queue in postgres", lameduck::sqlx::pool(self.pool.clone()))
    }

    pub(super) async fn close_now(&self) {
        self.pool.close().await;
    }
}

pub(super) async fn set_up(pool: &PgPool) -> anyhow::Result<()> {
    ApalisPostgres::set_up(pool).await.map_err(anyhow)
}

pub(super) async fn push(tx: &mut PgConnection, job: &Receipt) -> anyhow::Result<()> {
    ApalisPostgres::push(tx, RECEIPTS, job)
        .await
        .map_err(anyhow)
}

pub(super) fn queue(pool: &PgPool, work: Work) -> ApalisPostgres {
    ApalisPostgres::new(pool, RECEIPTS).lease(work.lease)
}

pub(super) async fn waiting(pool: &PgPool) -> anyhow::Result<i64> {
    const WAITING: &str = "SELECT count(*) FROM apalis.jobs WHERE job_type = $1 \
        AND (status = 'Pending' OR status = 'Failed' AND attempts < max_attempts)";
    let waiting = sqlx::query_scalar(WAITING).bind(RECEIPTS);
    Ok(waiting.fetch_one(pool).await?)
}
