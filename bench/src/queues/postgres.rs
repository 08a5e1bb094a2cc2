//! PostgreSQL, beside a worker of `apalis-postgres`.

use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_postgres::{Config, PostgresStorage};
use lameduck::apalis::ApalisPostgres;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tower::limit::ConcurrencyLimitLayer;

use super::counter::Counter;
use super::{Bench, CONCURRENCY, HELD, Neighbour, bare, lameduck};

pub struct Postgres {
    pool: PgPool,
    url: String,
}

async fn pool(url: &str) -> sqlx::Result<PgPool> {
    PgPoolOptions::new().max_connections(10).connect(url).await
}

impl Postgres {
    pub async fn open(url: &str) -> anyhow::Result<Postgres> {
        let pool = pool(url).await?;
        ApalisPostgres::set_up(&pool)
            .await
            .map_err(anyhow::Error::from_boxed)?;
        Ok(Postgres {
            pool,
            url: url.to_owned(),
        })
    }
}

impl Bench for Postgres {
    fn neighbours(&self) -> Vec<Neighbour> {
        vec![Neighbour::AsItIs, Neighbour::SameBatches]
    }

    async fn fill(&mut self, queue: &str, jobs: u64) -> anyhow::Result<()> {
        // A bare consumer is cut off in the middle, and its sessions may be left in a transaction.
        self.pool.close().await;
        self.pool = pool(&self.url).await?;
        // What earlier runs have left behind slows the next one down.
        sqlx::query("TRUNCATE apalis.jobs, apalis.workers CASCADE")
            .execute(&self.pool)
            .await?;
        let mut tx = self.pool.begin().await?;
        for n in 0..jobs {
            ApalisPostgres::push(&mut tx, queue, &n)
                .await
                .map_err(anyhow::Error::from_boxed)?;
        }
        tx.commit().await?;
        // So that the planner knows of them, whether or not autovacuum comes by.
        sqlx::query("ANALYZE apalis.jobs")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn ours(&self, queue: &str, counter: &Counter) -> anyhow::Result<()> {
        lameduck(ApalisPostgres::new(&self.pool, queue), counter).await
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
        let storage = PostgresStorage::<u64>::new(&self.pool).with_config(config);
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
