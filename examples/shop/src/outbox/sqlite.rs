//! The outbox in SQLite.

use sqlx::SqliteConnection;

use super::{BATCH, PUT};
use crate::queue::Receipt;

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL)";

pub(crate) async fn put(tx: &mut SqliteConnection, job: &Receipt) -> anyhow::Result<()> {
    let job = serde_json::to_string(job)?;
    sqlx::query(PUT).bind(job).execute(tx).await?;
    Ok(())
}

/// Takes some out of the table.
pub(super) async fn take(tx: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    const TAKE: &str = "DELETE FROM outbox WHERE id IN \
        (SELECT id FROM outbox ORDER BY id LIMIT $1) RETURNING job";
    sqlx::query_scalar(TAKE).bind(BATCH).fetch_all(tx).await
}
