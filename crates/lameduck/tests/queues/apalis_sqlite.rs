//! SQLite, through the tables of `apalis`.

use std::ops::Range;
use std::time::Duration;

use lameduck::queue::ApalisSqlite;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tempfile::TempDir;

use crate::server::Server;

pub struct File {
    pub pool: SqlitePool,
    _folder: TempDir,
}

impl File {
    pub async fn new() -> File {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("jobs.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(10))
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await.expect("a file");
        ApalisSqlite::set_up(&pool).await.expect("a new file");
        File {
            pool,
            _folder: folder,
        }
    }

    async fn count(&self, which: &'static str) -> usize {
        let count = sqlx::query_scalar::<_, i64>(which).fetch_one(&self.pool);
        let count = count.await.expect("the table is there");
        usize::try_from(count).expect("a count")
    }
}

impl Server for File {
    type Queue = ApalisSqlite;
    const LEASE: Duration = Duration::from_secs(3);

    async fn start() -> Option<File> {
        Some(File::new().await)
    }

    async fn queue(&self) -> ApalisSqlite {
        ApalisSqlite::new(&self.pool, "receipts").lease(Self::LEASE)
    }

    async fn push(&self, jobs: Range<u64>) {
        let mut connection = self.pool.acquire().await.expect("the file is there");
        for job in jobs {
            let pushed = ApalisSqlite::push(&mut connection, "receipts", &job).await;
            pushed.expect("the table is there");
        }
    }

    async fn left(&self) -> usize {
        self.count("SELECT count(*) FROM Jobs WHERE status <> 'Done'")
            .await
    }
}

// There is no server that could be killed.
crate::statements::workers!(File);

#[tokio::test]
async fn an_order_and_its_job_are_committed_together_or_not_at_all() {
    let file = File::new().await;
    let jobs = "SELECT count(*) FROM Jobs";
    let mut tx = file.pool.begin().await.expect("a transaction");
    let pushed = ApalisSqlite::push(&mut tx, "receipts", &1).await;
    pushed.expect("the table is there");
    tx.rollback().await.expect("an open transaction");
    assert_eq!(file.count(jobs).await, 0);
    let mut tx = file.pool.begin().await.expect("a transaction");
    let pushed = ApalisSqlite::push(&mut tx, "receipts", &1).await;
    pushed.expect("the table is there");
    tx.commit().await.expect("an open transaction");
    assert_eq!(file.count(jobs).await, 1);
}
