//! Jobs in RabbitMQ.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, bail};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::sync::Mutex;

use lameduck::{BoxError, Close, Lifecycle};

use super::{RECEIPTS, Receipt, Work};

/// Where they are, and the connection that they are published on.
#[derive(Clone)]
pub(crate) struct RabbitMq {
    url: String,
    publisher: Arc<Mutex<Option<(Connection, Channel)>>>,
}

impl RabbitMq {
    pub(super) async fn connect(url: &str) -> anyhow::Result<RabbitMq> {
        let it = RabbitMq {
            url: url.to_owned(),
            publisher: Arc::default(),
        };
        it.count()
            .await
            .with_context(|| format!("--queue {url}: cannot connect"))?;
        Ok(it)
    }

    /// A connection, and a channel on which what is published is confirmed; and how many messages
    /// wait.
    async fn open(&self) -> anyhow::Result<(Connection, Channel)> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok((connection, channel))
    }

    /// Runs something on the channel; a channel that fails is opened anew the next time.
    async fn on_channel<T>(
        &self,
        run: impl AsyncFnOnce(&Channel) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut publisher = self.publisher.lock().await;
        let open = match publisher.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let done = run(&open.1).await?;
        *publisher = Some(open);
        Ok(done)
    }

    async fn count(&self) -> anyhow::Result<i64> {
        self.on_channel(async |channel| {
            // A quorum queue keeps its messages when a broker dies, and counts deliveries.
            let mut arguments = FieldTable::default();
            arguments.insert(
                "x-queue-type".into(),
                AMQPValue::LongString("quorum".into()),
            );
            let options = QueueDeclareOptions::durable();
            let queue = channel
                .queue_declare(RECEIPTS.into(), options, arguments)
                .await?;
            Ok(i64::from(queue.message_count()))
        })
        .await
    }

    pub(super) async fn waiting(&self) -> anyhow::Result<i64> {
        self.count().await
    }

    pub(super) async fn publish(&self, jobs: &[Receipt]) -> anyhow::Result<()> {
        self.on_channel(async |channel| {
            let mut confirms = Vec::with_capacity(jobs.len());
            for job in jobs {
                let payload = serde_json::to_vec(job)?;
                let persistent = BasicProperties::default().with_delivery_mode(2);
                let options = BasicPublishOptions {
                    mandatory: true,
                    ..BasicPublishOptions::default()
                };
                let publish = channel.basic_publish(
                    "".into(),
                    RECEIPTS.into(),
                    options,
                    &payload,
                    persistent,
                );
                confirms.push(publish.await?);
            }
            for confirm in confirms {
                match confirm.await? {
                    Confirmation::Ack(None) => {}
                    other => bail!("RabbitMQ did not take a job: {other:?}"),
                }
            }
            Ok(())
        })
        .await
    }

    pub(super) fn queue(&self, _work: Work) -> lameduck::lapin::RabbitMq {
        lameduck::lapin::RabbitMq::new(&self.url, RECEIPTS)
    }

    pub(super) fn close(&self, life: Lifecycle) -> Lifecycle {
        life.close("rabbitmq", self.clone())
    }

    pub(super) async fn close_now(&self) {
        let _ = Close::close(&mut self.clone()).await;
    }
}

impl Close for RabbitMq {
    async fn close(&mut self) -> Result<(), BoxError> {
        match self.publisher.lock().await.take() {
            Some((connection, _)) => lameduck::lapin::connection(connection).close().await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq").finish_non_exhaustive()
    }
}
