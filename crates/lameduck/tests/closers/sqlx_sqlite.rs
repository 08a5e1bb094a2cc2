//! `sqlx` pools of SQLite.

use lameduck::Lifecycle;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};

use crate::life::end;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_written_back_into_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let create = "CREATE TABLE orders (id INTEGER PRIMARY KEY)";
    sqlx::query(create).execute(&pool).await.unwrap();
    // More than one connection, and one that is on its way back.
    let (a, b) = tokio::join!(pool.acquire(), pool.acquire());
    drop((a.unwrap(), b.unwrap()));
    let log = folder.path().join("shop.db-wal");
    assert!(log.exists());
    end(Lifecycle::embedded().close("sqlite", lameduck::sqlx::pool(pool)))
        .await
        .cleanly();
    assert!(!log.exists());
}
