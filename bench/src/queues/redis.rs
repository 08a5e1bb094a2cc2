//! Redis, beside a worker of `apalis-redis`.

use ::redis::Client;
use ::redis::aio::ConnectionManager;
use apalis_core::error::BoxDynError;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_redis::{Config, RedisStorage};
use lameduck::apalis::ApalisRedis;
use tower::limit::ConcurrencyLimitLayer;

use super::counter::Counter;
use super::{Bench, CONCURRENCY, HELD, Neighbour, bare, lameduck};

pub struct Redis {
    connection: ConnectionManager,
}

impl Redis {
    pub async fn open(url: &str) -> anyhow::Result<Redis> {
        let connection = ConnectionManager::new(Client::open(url)?).await?;
        Ok(Redis { connection })
    }
}

impl Bench for Redis {
    fn neighbours(&self) -> Vec<Neighbour> {
        vec![Neighbour::AsItIs, Neighbour::SameBatches]
    }

    async fn fill(&mut self, queue: &str, jobs: u64) -> anyhow::Result<()> {
        for n in 0..jobs {
            ApalisRedis::push(&self.connection, queue, &n)
                .await
                .map_err(anyhow::Error::from_boxed)?;
        }
        Ok(())
    }

    async fn ours(&self, queue: &str, counter: &Counter) -> anyhow::Result<()> {
        lameduck(ApalisRedis::new(&self.connection, queue), counter).await
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
        let storage = RedisStorage::<u64, _>::new(self.connection.clone()).with_config(config);
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
