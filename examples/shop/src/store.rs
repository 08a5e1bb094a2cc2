//! Orders and their receipts.

use anyhow::Context;
use serde::Serialize;
use sqlx::{Acquire, PgConnection, PgPool, SqliteConnection};

use crate::database::{Database, on};
use crate::outbox;
use crate::queue::{Jobs, Receipt};

/// The orders.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    database: Database,
    jobs: Jobs,
}

/// One order.
#[derive(Debug, Serialize, sqlx::FromRow)]
pub(crate) struct Order {
    pub id: i64,
    pub item: String,
    pub quantity: i64,
    /// Whether its receipt was sent.
    pub receipt_sent: bool,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct NewOrder<'a> {
    pub item: &'a str,
    pub quantity: i64,
    /// How long it takes to send the receipt.
    pub receipt_ms: u64,
}

/// The books.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Ledger {
    pub orders: i64,
    /// Orders whose receipt was sent.
    pub receipts: i64,
    /// Receipts that were sent again.
    pub duplicates: i64,
    /// Orders whose receipt waits to be sent.
    pub pending: i64,
    /// Orders whose receipt is being sent; or is neither sent nor waiting, when nobody works.
    pub running: i64,
}

const ORDERS_IN_SQLITE: &str = "CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    item TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0))";
const ORDERS_IN_POSTGRES: &str = "CREATE TABLE IF NOT EXISTS orders (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0))";
/// One row each time that a receipt was sent.
const RECEIPTS: &str =
    "CREATE TABLE IF NOT EXISTS receipts (order_id BIGINT NOT NULL REFERENCES orders (id))";
const RECEIPTS_BY_ORDER: &str =
    "CREATE INDEX IF NOT EXISTS receipts_by_order ON receipts (order_id)";
const INSERT_ORDER: &str = "INSERT INTO orders (item, quantity) VALUES ($1, $2) RETURNING id";

/// The code of that error in PostgreSQL.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const AFTER: &str = "SELECT id, item, quantity, \
    EXISTS (SELECT 1 FROM receipts WHERE order_id = orders.id) AS receipt_sent \
    FROM orders WHERE id > $1 ORDER BY id LIMIT $2";

impl Store {
    /// The orders in `database`, whose receipts are `jobs`.
    pub(crate) fn new(database: Database, jobs: Jobs) -> Store {
        Store { database, jobs }
    }

    /// Makes the tables that are not there yet.
    pub(crate) async fn set_up(database: &Database) -> anyhow::Result<()> {
        let made = match database {
            Database::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                for table in [
                    ORDERS_IN_SQLITE,
                    RECEIPTS,
                    RECEIPTS_BY_ORDER,
                    outbox::IN_SQLITE,
                ] {
                    sqlx::query(table).execute(&mut *tx).await?;
                }
                tx.commit().await
            }
            Database::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                // Two shops that start at the same time make the tables one after the other.
                sqlx::query("SELECT pg_advisory_xact_lock(5407)")
                    .execute(&mut *tx)
                    .await?;
                for table in [
                    ORDERS_IN_POSTGRES,
                    RECEIPTS,
                    RECEIPTS_BY_ORDER,
                    outbox::IN_POSTGRES,
                ] {
                    sqlx::query(table).execute(&mut *tx).await?;
                }
                tx.commit().await
            }
        };
        made.context("cannot make the tables")
    }

    /// Takes an order; it and the job to send its receipt are committed when this returns.
    pub(crate) async fn order(&self, new: &NewOrder<'_>) -> anyhow::Result<i64> {
        let id = match &self.database {
            Database::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let id = self.order_in_sqlite(tx.acquire().await?, new).await?;
                tx.commit().await?;
                id
            }
            Database::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let id = self.order_in_postgres(tx.acquire().await?, new).await?;
                tx.commit().await?;
                id
            }
        };
        self.jobs.committed();
        Ok(id)
    }

    async fn order_in_sqlite(
        &self,
        tx: &mut SqliteConnection,
        new: &NewOrder<'_>,
    ) -> anyhow::Result<i64> {
        let insert = sqlx::query_scalar(INSERT_ORDER)
            .bind(new.item)
            .bind(new.quantity);
        let order = insert.fetch_one(&mut *tx).await?;
        self.jobs
            .push_in_sqlite(tx, &Receipt::new(order, new.receipt_ms))
            .await?;
        Ok(order)
    }

    async fn order_in_postgres(
        &self,
        tx: &mut PgConnection,
        new: &NewOrder<'_>,
    ) -> anyhow::Result<i64> {
        let insert = sqlx::query_scalar(INSERT_ORDER)
            .bind(new.item)
            .bind(new.quantity);
        let order = insert.fetch_one(&mut *tx).await?;
        self.jobs
            .push_in_postgres(tx, &Receipt::new(order, new.receipt_ms))
            .await?;
        Ok(order)
    }

    pub(crate) async fn get(&self, id: i64) -> sqlx::Result<Option<Order>> {
        const GET: &str = "SELECT id, item, quantity, \
            EXISTS (SELECT 1 FROM receipts WHERE order_id = orders.id) AS receipt_sent \
            FROM orders WHERE id = $1";
        on!(&self.database, pool => sqlx::query_as(GET).bind(id).fetch_optional(pool).await)
    }

    /// The first `limit` orders after the one of that id, in the order of their ids, up to the first
    /// that may still be committed: whoever goes on from the last one misses none.
    pub(crate) async fn after(&self, id: i64, limit: i64) -> sqlx::Result<Vec<Order>> {
        let mut found: Vec<Order> = on!(&self.database, pool =>
            sqlx::query_as(AFTER).bind(id).bind(limit).fetch_all(pool).await)?;
        if let Database::Postgres(pool) = &self.database {
            let whole = found.iter().zip(id + 1..).take_while(|(o, id)| o.id == *id);
            let whole = whole.count();
            if whole < found.len() {
                match settled(pool, id, limit).await? {
                    Some(all) => found = all,
                    None => found.truncate(whole),
                }
            }
        }
        Ok(found)
    }

    /// The receipt of `order` was sent.
    pub(crate) async fn sent(&self, order: i64) -> sqlx::Result<()> {
        const SENT: &str = "INSERT INTO receipts (order_id) VALUES ($1)";
        on!(&self.database, pool => sqlx::query(SENT).bind(order).execute(pool).await.map(drop))
    }

    pub(crate) async fn ledger(&self) -> anyhow::Result<Ledger> {
        const COUNT: &str = "SELECT (SELECT count(*) FROM orders), \
            (SELECT count(DISTINCT order_id) FROM receipts), (SELECT count(*) FROM receipts), \
            (SELECT count(*) FROM outbox)";
        // What waits is counted first: what is taken or finished meanwhile then shows as running.
        let waiting = self.jobs.waiting().await?;
        let (orders, receipts, sent, outbox): (i64, i64, i64, i64) =
            on!(&self.database, pool => sqlx::query_as(COUNT).fetch_one(pool).await)?;
        let open = orders - receipts;
        // A job can wait whose receipt was sent already: it was not acknowledged.
        let pending = (waiting + outbox).min(open);
        Ok(Ledger {
            orders,
            receipts,
            duplicates: sent - receipts,
            pending,
            running: open - pending,
        })
    }
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
