//! Jobs in SQLite, beside the orders.

use lameduck::apalis::ApalisSqlite;
use sqlx::{SqliteConnection, SqlitePool};

use super::{RECEIPTS, Receipt, Work};
use crate::anyhow;

pub(super) async fn set_up(pool: &SqlitePool) -> anyhow::Result<()> {
    ApalisSqlite::set_up(pool).await.map_err(anyhow)
}

pub(super) async fn push(tx: &mut SqliteConnection, job: &Receipt) -> anyhow::Result<()> {
    ApalisSqlite::push(tx, RECEIPTS, job).await.map_err(anyhow)
}

pub(super) fn queue(pool: &SqlitePool, work: Work) -> ApalisSqlite {
    ApalisSqlite::new(pool, RECEIPTS).lease(work.lease)
}

pub(super) async fn waiting(pool: &SqlitePool) -> anyhow::Result<i64> {
    const WAITING: &str = "SELECT count(*) FROM Jobs WHERE job_type = $1 \
        AND (status = 'Pending' OR status = 'Failed' AND attempts < max_attempts)";
    let waiting = sqlx::query_scalar(WAITING).bind(RECEIPTS);
    Ok(waiting.fetch_one(pool).await?)
}
