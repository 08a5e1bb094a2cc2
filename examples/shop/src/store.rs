//! Orders in SQLite.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::args::Place;

/// The orders' file in the data folder.
const FILE: &str = "shop.sqlite";

/// The orders.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: SqlitePool,
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

/// The books.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Ledger {
    pub orders: i64,
    pub receipts: i64,
    pub duplicates: i64,
    pub pending: i64,
    pub running: i64,
}

impl Store {
    /// Opens the orders in `folder`, and makes what is not there yet.
    pub(crate) async fn open(folder: &Path) -> anyhow::Result<Store> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--data {}: cannot make the folder", folder.display()))?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join(FILE))
            .create_if_missing(true)
            // An answer of 201 promises that the order survives a crash of the process, which the
            // write-ahead log does without a disk flush for each order.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10));
        let store = Store {
            pool: SqlitePoolOptions::new()
                .max_connections(4)
                .connect_with(options)
                .await
                .with_context(|| format!("--data {}: cannot open {FILE}", folder.display()))?,
        };
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS orders (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                item TEXT NOT NULL,
                quantity INTEGER NOT NULL CHECK (quantity > 0),
                receipts INTEGER NOT NULL DEFAULT 0)",
        )
        .execute(&store.pool)
        .await
        .context("cannot make the table of orders")?;
        Ok(store)
    }

    /// The pool, to be closed at the end.
    pub(crate) fn pool(&self) -> SqlitePool {
        self.pool.clone()
    }

    /// Takes an order; it is committed when this returns.
    pub(crate) async fn order(&self, item: &str, quantity: i64) -> sqlx::Result<i64> {
        let done = sqlx::query("INSERT INTO orders (item, quantity) VALUES (?, ?)")
            .bind(item)
            .bind(quantity)
            .execute(&self.pool)
            .await?;
        Ok(done.last_insert_rowid())
    }

    pub(crate) async fn get(&self, id: i64) -> sqlx::Result<Option<Order>> {
        sqlx::query_as(
            "SELECT id, item, quantity, receipts > 0 AS receipt_sent FROM orders WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await
    }

    pub(crate) async fn ledger(&self) -> sqlx::Result<Ledger> {
        let (orders,) = sqlx::query_as("SELECT count(*) FROM orders")
            .fetch_one(&self.pool)
            .await?;
        Ok(Ledger {
            orders,
            ..Ledger::default()
        })
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> sqlx::Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }
}

/// Prints the books of a shop that does not run.
pub(crate) async fn print_ledger(place: &Place) -> anyhow::Result<()> {
    let Some(folder) = &place.data else {
        bail!("ledger: where are the orders? Give --data DIR, the folder the shop was given");
    };
    let file = folder.join(FILE);
    if !file.is_file() {
        bail!(
            "--data {}: there is no {FILE} in it, so no shop has kept orders there",
            folder.display()
        );
    }
    let options = SqliteConnectOptions::from_str("sqlite:")?
        .filename(&file)
        .busy_timeout(Duration::from_secs(10));
    let store = Store {
        pool: SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?,
    };
    let ledger = store.ledger().await;
    store.pool.close().await;
    println!("{}", serde_json::to_string(&ledger?)?);
    Ok(())
}
