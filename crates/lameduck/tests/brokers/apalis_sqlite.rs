//! SQLite.

use std::time::Duration;

use lameduck::queue::ApalisSqlite;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tempfile::TempDir;

use crate::scenario::{self, LEASE, Place};

struct File {
    pool: SqlitePool,
    _folder: TempDir,
}

impl File {
    async fn new() -> File {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("jobs.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(10))
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        ApalisSqlite::set_up(&pool).await.unwrap();
        File {
            pool,
            _folder: folder,
        }
    }
}

impl Place for File {
    type Queue = ApalisSqlite;

    async fn queue(&self) -> ApalisSqlite {
        ApalisSqlite::new(&self.pool, "test").lease(LEASE)
    }

    async fn push(&self, n: u64) {
        let mut connection = self.pool.acquire().await.unwrap();
        ApalisSqlite::push(&mut connection, "test", &n)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_only_after_success() {
    scenario::acknowledged_only_after_success(File::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn given_back_at_the_deadline() {
    scenario::given_back_at_the_deadline(File::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_ahead_goes_back_at_once() {
    scenario::fetched_ahead_goes_back_at_once(File::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_kept_throughout_the_drain() {
    scenario::leases_are_kept_throughout_the_drain(File::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_all_redeliverable() {
    scenario::a_crash_leaves_all_redeliverable(File::new().await).await;
}

#[tokio::test]
async fn an_order_and_its_job_are_committed_together_or_not_at_all() {
    let file = File::new().await;
    let count = async || -> i64 {
        let jobs = sqlx::query_scalar("SELECT count(*) FROM Jobs");
        jobs.fetch_one(&file.pool).await.unwrap()
    };
    let mut tx = file.pool.begin().await.unwrap();
    ApalisSqlite::push(&mut tx, "test", &1).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(count().await, 0);
    let mut tx = file.pool.begin().await.unwrap();
    ApalisSqlite::push(&mut tx, "test", &1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(count().await, 1);
}
