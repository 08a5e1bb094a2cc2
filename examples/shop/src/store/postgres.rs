//! Orders in PostgreSQL.

use sqlx::PgPool;

use super::{AFTER, INSERT_ORDER, NewOrder, Order, RECEIPTS, RECEIPTS_BY_ORDER};
use crate::outbox;
use crate::queue::{Jobs, Receipt};

const ORDERS: &str = "CREATE TABLE IF NOT EXISTS orders (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0))";

/// The code of the error when a lock was not granted in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

pub(super) async fn set_up(pool: &PgPool) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    // Two shops that start at the same time make the tables one after the other.
    sqlx::query("SELECT pg_advisory_xact_lock(5407)")
        .execute(&mut *tx)
        .await?;
    for table in [ORDERS, RECEIPTS, RECEIPTS_BY_ORDER, outbox::postgres::TABLE] {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    tx.commit().await
}

pub(super) async fn order(pool: &PgPool, jobs: &Jobs, new: &NewOrder<'_>) -> anyhow::Result<i64> {
    let mut tx = pool.begin().await?;
    let insert = sqlx::query_scalar(INSERT_ORDER)
        .bind(new.item)
        .bind(new.quantity);
    let order = insert.fetch_one(&mut *tx).await?;
    jobs.push_in_postgres(&mut tx, &Receipt::new(order, new.receipt_ms))
        .await?;
    tx.commit().await?;
    Ok(order)
}

/// The orders `found` after the one of that id, up to the first that may still be committed. A number is
/// taken before the commit, so an order may appear after one with a higher number.
pub(super) async fn without_gaps(
    pool: &PgPool,
    mut found: Vec<Order>,
    id: i64,
    limit: i64,
) -> sqlx::Result<Vec<Order>> {
    let whole = found.iter().zip(id + 1..).take_while(|(o, id)| o.id == *id);
    let whole = whole.count();
    if whole < found.len() {
        match settled(pool, id, limit).await? {
            Some(all) => found = all,
            None => found.truncate(whole),
        }
    }
    Ok(found)
}

/// The orders after one when nobody is about to commit another among them: a number is taken before
/// the commit, or for nothing if there is none. `None` while somebody takes long.
async fn settled(pool: &PgPool, id: i64, limit: i64) -> sqlx::Result<Option<Vec<Order>>> {
    let mut tx = pool.begin().await?;
    // Who waits for the lock makes those who order wait behind it.
    sqlx::query("SET LOCAL lock_timeout = '100ms'")
        .execute(&mut *tx)
        .await?;
    // Granted when all who have a number by now have committed or given up.
    let locked = sqlx::query("LOCK TABLE orders IN SHARE MODE")
        .execute(&mut *tx)
        .await;
    if let Err(sqlx::Error::Database(error)) = &locked
        && error.code().as_deref() == Some(LOCK_NOT_AVAILABLE)
    {
        tx.rollback().await?;
        return Ok(None);
    }
    locked?;
    let orders = sqlx::query_as(AFTER).bind(id).bind(limit);
    let orders = orders.fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(Some(orders))
}
