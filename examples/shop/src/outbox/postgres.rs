//! The outbox in PostgreSQL.

use sqlx::PgConnection;

use super::{BATCH, PUT};
use crate::queue::Receipt;

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job TEXT NOT NULL)";

pub(crate) async fn put(tx: &mut PgConnection, job: &Receipt) -> anyhow::Result<()> {
    let job = serde_json::to_string(job)?;
    sqlx::query(PUT).bind(job).execute(tx).await?;
    Ok(())
}

/// Takes some out of the table. What another shop is publishing is left to it.
pub(super) async fn take(tx: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    const TAKE: &str = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox \
        ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING job";
    sqlx::query_scalar(TAKE).bind(BATCH).fetch_all(tx).await
}
