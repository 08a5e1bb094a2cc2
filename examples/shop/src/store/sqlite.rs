//! Orders in SQLite.

use sqlx::SqlitePool;

use super::{INSERT_ORDER, NewOrder, RECEIPTS, RECEIPTS_BY_ORDER};
use crate::outbox;
use crate::queue::{Jobs, Receipt};

const ORDERS: &str = "CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0))";

pub(super) async fn set_up(pool: &SqlitePool) -> sqlx::Result<()> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for table in [ORDERS, RECEIPTS, RECEIPTS_BY_ORDER, outbox::sqlite::TABLE] {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    tx.commit().await
}

pub(super) async fn order(
    pool: &SqlitePool,
    jobs: &Jobs,
    new: &NewOrder<'_>,
) -> anyhow::Result<i64> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let insert = sqlx::query_scalar(INSERT_ORDER)
        .bind(new.item)
        .bind(new.quantity);
    let order = insert.fetch_one(&mut *tx).await?;
    jobs.push_in_sqlite(&mut tx, &Receipt::new(order, new.receipt_ms))
        .await?;
    tx.commit().await?;
    Ok(order)
}
