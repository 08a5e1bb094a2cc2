//! SQLite, through the tables of `apalis`.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use lameduck::Exit;
use lameduck::apalis::ApalisSqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Sqlite, SqlitePool};
use tempfile::TempDir;

use crate::diary::{Diary, What};
use crate::server::{Addressed, Pooled, Server};
use crate::worker::{Takes, Worker};

const NAME: &str = "jobs.db";

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(10))
        .journal_mode(SqliteJournalMode::Wal)
}

pub struct File {
    pub pool: SqlitePool,
    folder: TempDir,
}

impl File {
    pub async fn new() -> File {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(&folder.path().join(NAME));
        let pool = SqlitePool::connect_with(options).await.expect("a file");
        ApalisSqlite::set_up(&pool).await.expect("a new file");
        File { pool, folder }
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
    const GIVES_BACK_UNKNOWN: bool = true;

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

impl Addressed for File {
    fn address(&self) -> String {
        let file = self.folder.path().join(NAME);
        file.into_os_string().into_string().expect("it is UTF-8")
    }

    async fn queue_at(address: &str) -> ApalisSqlite {
        let pool = SqlitePool::connect_with(options(Path::new(address))).await;
        ApalisSqlite::new(&pool.expect("a file"), "receipts").lease(Self::LEASE)
    }
}

impl Pooled for File {
    type Pool = SqlitePool;
    type Connection = PoolConnection<Sqlite>;

    async fn queue_on_one_connection(&self) -> (ApalisSqlite, SqlitePool) {
        let one = SqlitePoolOptions::new().max_connections(1);
        let pool = one.connect_with(options(Path::new(&self.address()))).await;
        let pool = pool.expect("a file");
        let queue = ApalisSqlite::new(&pool, "receipts").lease(Self::LEASE);
        (queue, pool)
    }

    async fn acquire(pool: &SqlitePool) -> PoolConnection<Sqlite> {
        pool.acquire().await.expect("it becomes free")
    }
}

// There is no server that could be killed, and no network.
crate::statements::workers!(File);
crate::statements::pools!(File);

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

/// A database in memory: one without a name is in the application's connection alone, and one with a name
/// can be opened by whoever knows that.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_in_memory() {
    for options in [
        SqliteConnectOptions::new(),
        "sqlite::memory:".parse().expect("a URL"),
    ] {
        let one = SqlitePoolOptions::new().max_connections(1);
        let one = one.idle_timeout(None).max_lifetime(None);
        let pool = one.connect_with(options).await.expect("memory");
        ApalisSqlite::set_up(&pool).await.expect("a new database");
        for job in 0..20 {
            let mut connection = pool.acquire().await.expect("it becomes free");
            let pushed = ApalisSqlite::push(&mut connection, "receipts", &job).await;
            pushed.expect("the table is there");
        }
        let diary = Diary::new();
        let queue = ApalisSqlite::new(&pool, "receipts").lease(File::LEASE);
        let worker = Worker::new("a", Takes::Time(File::LEASE * 3 / 2)).holds(10, 10);
        let worker = worker.start(queue, &diary);
        diary.until_done(20).await;
        assert_eq!(worker.stop().await, Exit::CLEAN);
        diary.assert_once_each(What::Started, 20);
    }
}
