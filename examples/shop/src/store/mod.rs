//! Orders and their receipts.

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use anyhow::Context;
use serde::Serialize;

use crate::database::{Database, on};
use crate::queue::Jobs;

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

/// One row each time that a receipt was sent.
const RECEIPTS: &str =
    "CREATE TABLE IF NOT EXISTS receipts (order_id BIGINT NOT NULL REFERENCES orders (id))";
const RECEIPTS_BY_ORDER: &str =
    "CREATE INDEX IF NOT EXISTS receipts_by_order ON receipts (order_id)";
const INSERT_ORDER: &str = "INSERT INTO orders (item, quantity) VALUES ($1, $2) RETURNING id";
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
            Database::Sqlite(pool) => sqlite::set_up(pool).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(pool) => postgres::set_up(pool).await,
        };
        made.context("cannot make the tables")
    }

    /// Takes an order; it and the job to send its receipt are committed when this returns.
    pub(crate) async fn order(&self, new: &NewOrder<'_>) -> anyhow::Result<i64> {
        let id = match &self.database {
            Database::Sqlite(pool) => sqlite::order(pool, &self.jobs, new).await?,
            #[cfg(feature = "postgres")]
            Database::Postgres(pool) => postgres::order(pool, &self.jobs, new).await?,
        };
        self.jobs.committed();
        Ok(id)
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
        let found = on!(&self.database, pool =>
            sqlx::query_as(AFTER).bind(id).bind(limit).fetch_all(pool).await)?;
        match &self.database {
            // It writes one transaction at a time, and gives out numbers in the order of the commits.
            Database::Sqlite(_) => Ok(found),
            #[cfg(feature = "postgres")]
            Database::Postgres(pool) => postgres::without_gaps(pool, found, id, limit).await,
        }
    }

    /// The receipt of `order` was sent.
    pub(crate) async fn sent(&self, order: i64) -> sqlx::Result<()> {
        const SENT: &str = "INSERT INTO receipts (order_id) VALUES ($1)";
        on!(&self.database, pool => sqlx::query(SENT).bind(order).execute(pool).await.map(drop))
    }

    /// The ids of all orders.
    pub(crate) async fn ids(&self) -> sqlx::Result<Vec<i64>> {
        const IDS: &str = "SELECT id FROM orders ORDER BY id";
        on!(&self.database, pool => sqlx::query_scalar(IDS).fetch_all(pool).await)
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
