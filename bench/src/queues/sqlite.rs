//! SQLite, beside a worker of `apalis-sqlite`.

use anyhow::Context;
use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_sqlite::{Config, SqliteStorage};
use lameduck::apalis::ApalisSqlite;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tempfile::TempDir;
use tower::limit::ConcurrencyLimitLayer;

use super::counter::Counter;
use super::{Bench, CONCURRENCY, HELD, Neighbour, bare, lameduck};

pub struct Sqlite {
    pool: SqlitePool,
    folder: TempDir,
}

impl Sqlite {
    pub async fn open() -> anyhow::Result<Sqlite> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let pool = database(&folder, "none").await?;
        Ok(Sqlite { pool, folder })
    }
}

/// A database of its own for each queue, as the shop opens it.
async fn database(folder: &TempDir, name: &str) -> anyhow::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join(name))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let pool = SqlitePoolOptions::new().max_connections(1);
    Ok(pool.connect_with(options).await?)
}

impl Bench for Sqlite {
    fn neighbours(&self) -> Vec<Neighbour> {
        vec![Neighbour::AsItIs, Neighbour::SameBatches]
    }

    async fn fill(&mut self, queue: &str, jobs: u64) -> anyhow::Result<()> {
        self.pool.close().await;
        self.pool = database(&self.folder, queue).await?;
        ApalisSqlite::set_up(&self.pool)
            .await
            .map_err(anyhow::Error::from_boxed)?;
        let mut tx = self.pool.begin().await?;
        for n in 0..jobs {
            ApalisSqlite::push(&mut tx, queue, &n)
                .await
                .map_err(anyhow::Error::from_boxed)?;
        }
        Ok(tx.commit().await?)
    }

    async fn ours(&self, queue: &str, counter: &Counter) -> anyhow::Result<()> {
        lameduck(ApalisSqlite::new(&self.pool, queue), counter).await
    }

    async fn theirs(
        &self,
        neighbour: Neighbour,
        queue: &str,
        counter: &Counter,
    ) -> anyhow::Result<()> {
        let mut config = Config::default().queue(queue);
        if neighbour == Neighbour::SameBatches {
            config = config.batch_size(HELD);
        }
        let storage = SqliteStorage::<u64>::new(&self.pool).with_config(config);
        let counts = counter.clone();
        let worker = WorkerBuilder::new(queue)
            .backend(storage)
            .layer(ConcurrencyLimitLayer::new(CONCURRENCY))
            .build(move |_job: u64| {
                counts.count();
                async { Ok::<(), BoxDynError>(()) }
            });
        bare(worker.run(), counter).await
    }
}
