//! Jobs in NATS JetStream.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::Client;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{self, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context};
use lameduck::nats::JetStream;
use lameduck::{BoxError, Close, Job, Lifecycle};

use super::{RECEIPTS, Receipt, Work};

/// The stream. Each message is in it until it is acknowledged.
const STREAM: &str = "RECEIPTS";

#[derive(Clone, Debug)]
pub(crate) struct Nats {
    client: Client,
    context: Context,
    consumer: PullConsumer,
    /// How many jobs are at work here.
    at_work: Arc<AtomicI64>,
}

impl Nats {
    /// Connects, and makes the stream and its consumer unless they are there.
    pub(super) async fn connect(url: &str, lease: Duration) -> anyhow::Result<Nats> {
        let what = || format!("--queue {url}: cannot connect");
        let client = async_nats::connect(url).await.with_context(what)?;
        let context = jetstream::new(client.clone());
        let consumer = stream(&context)
            .await
            .with_context(|| format!("--queue {url}: no JetStream"))?
            .get_or_create_consumer(
                "shop",
                pull::Config {
                    durable_name: Some("shop".to_owned()),
                    ack_wait: lease,
                    ..pull::Config::default()
                },
            )
            .await
            .with_context(|| format!("--queue {url}: cannot make the consumer"))?;
        Ok(Nats {
            client,
            context,
            consumer,
            at_work: Arc::default(),
        })
    }

    pub(super) fn queue(&self, _work: Work) -> JetStream {
        JetStream::new(self.client.clone(), self.consumer.clone())
    }

    /// How many are in the stream and not at work here. The server does not say which of those that
    /// it has handed out are at work, and which have come back.
    pub(super) async fn waiting(&self) -> anyhow::Result<i64> {
        let at_work = self.at_work.load(Ordering::SeqCst);
        let mut stream = stream(&self.context).await?;
        let messages: i64 = stream.info().await?.state.messages.try_into()?;
        Ok((messages - at_work).max(0))
    }

    pub(super) async fn publish(&self, jobs: &[Receipt]) -> anyhow::Result<()> {
        let mut confirms = Vec::with_capacity(jobs.len());
        for job in jobs {
            let payload = serde_json::to_vec(job)?.into();
            confirms.push(self.context.publish(RECEIPTS, payload).await?);
        }
        for confirm in confirms {
            confirm.await?;
        }
        Ok(())
    }

    /// The handler, counted while it runs.
    pub(super) fn counted<F>(
        &self,
        handler: impl Fn(Receipt, Job) -> F + Send + Sync + 'static,
    ) -> impl Fn(Receipt, Job) -> CountedFuture + Send + Sync + 'static
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let at_work = self.at_work.clone();
        move |receipt, job| {
            let counted = Counted::new(&at_work);
            let running = handler(receipt, job);
            Box::pin(async move {
                let _counted = counted;
                running.await
            })
        }
    }

    pub(super) fn close(&self, life: Lifecycle) -> Lifecycle {
        life.close("nats", lameduck::nats::client(self.client.clone()))
    }

    pub(super) async fn close_now(&self) {
        let _ = lameduck::nats::client(self.client.clone()).close().await;
    }
}

type CountedFuture = std::pin::Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

async fn stream(context: &Context) -> anyhow::Result<Stream> {
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![RECEIPTS.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        ..stream::Config::default()
    };
    Ok(context.get_or_create_stream(config).await?)
}

/// One more at work, until it is dropped.
struct Counted(Arc<AtomicI64>);

impl Counted {
    fn new(at_work: &Arc<AtomicI64>) -> Counted {
        at_work.fetch_add(1, Ordering::SeqCst);
        Counted(at_work.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
