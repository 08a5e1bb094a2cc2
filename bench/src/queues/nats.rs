//! NATS JetStream, beside a pull consumer of `async-nats` with an acknowledgement for each job.

use async_nats::Client;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{self, RetentionPolicy};
use async_nats::jetstream::{self, Context, Message};
use futures_util::StreamExt;
use lameduck::nats::JetStream;
use tokio::task::JoinSet;

use super::counter::Counter;
use super::{Bench, CONCURRENCY, HELD, Neighbour, bare, lameduck};

pub struct Nats {
    client: Client,
    context: Context,
}

impl Nats {
    pub async fn open(url: &str) -> anyhow::Result<Nats> {
        let client = async_nats::connect(url).await?;
        let context = jetstream::new(client.clone());
        Ok(Nats { client, context })
    }

    async fn consumer(&self, queue: &str) -> anyhow::Result<PullConsumer> {
        let config = stream::Config {
            name: queue.to_owned(),
            subjects: vec![queue.to_owned()],
            retention: RetentionPolicy::WorkQueue,
            ..stream::Config::default()
        };
        let stream = self.context.get_or_create_stream(config).await?;
        let config = pull::Config {
            durable_name: Some("bench".to_owned()),
            ..pull::Config::default()
        };
        Ok(stream.get_or_create_consumer("bench", config).await?)
    }
}

impl Bench for Nats {
    fn neighbours(&self) -> Vec<Neighbour> {
        vec![Neighbour::AsItIs, Neighbour::Tasks, Neighbour::Confirmed]
    }

    async fn fill(&mut self, queue: &str, jobs: u64) -> anyhow::Result<()> {
        self.consumer(queue).await?;
        let mut confirms = Vec::new();
        for n in 0..jobs {
            let publish = self.context.publish(queue.to_owned(), n.to_string().into());
            confirms.push(publish.await?);
            // JetStream throws away what it cannot keep up with.
            if confirms.len() == 500 {
                for confirm in confirms.drain(..) {
                    confirm.await?;
                }
            }
        }
        for confirm in confirms {
            confirm.await?;
        }
        Ok(())
    }

    async fn ours(&self, queue: &str, counter: &Counter) -> anyhow::Result<()> {
        let consumer = self.consumer(queue).await?;
        lameduck(JetStream::new(self.client.clone(), consumer), counter).await
    }

    async fn theirs(
        &self,
        neighbour: Neighbour,
        queue: &str,
        counter: &Counter,
    ) -> anyhow::Result<()> {
        let consumer = self.consumer(queue).await?;
        let mut messages = consumer
            .stream()
            // It asks again when half of a batch has come, so that up to a batch and a half are on
            // their way.
            .max_messages_per_batch(HELD * 2 / 3)
            .messages()
            .await?;
        let counts = counter.clone();
        let consume = async move {
            let mut running = JoinSet::new();
            while let Some(message) = messages.next().await {
                let job = work_off(message?, neighbour, counts.clone());
                if neighbour == Neighbour::Tasks {
                    if running.len() == CONCURRENCY
                        && let Some(ended) = running.join_next().await
                    {
                        ended??;
                    }
                    running.spawn(job);
                } else {
                    job.await?;
                }
            }
            anyhow::Ok(())
        };
        bare(consume, counter).await
    }
}

async fn work_off(message: Message, neighbour: Neighbour, counts: Counter) -> anyhow::Result<()> {
    let _job: u64 = serde_json::from_slice(&message.payload)?;
    counts.count();
    let acknowledged = match neighbour {
        Neighbour::Confirmed => message.double_ack().await,
        Neighbour::AsItIs | Neighbour::SameBatches | Neighbour::Tasks => message.ack().await,
    };
    acknowledged.map_err(|error| anyhow::anyhow!(error))
}
