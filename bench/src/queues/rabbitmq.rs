//! RabbitMQ, beside `basic_consume` of `lapin` with an acknowledgement for each job.

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use super::counter::Counter;
use super::{Bench, HELD, Neighbour, bare, lameduck};

pub struct RabbitMq {
    url: String,
    connection: Connection,
}

impl RabbitMq {
    pub async fn open(url: &str) -> anyhow::Result<RabbitMq> {
        Ok(RabbitMq {
            url: url.to_owned(),
            connection: connect(url).await?,
        })
    }
}

async fn connect(url: &str) -> Result<Connection, lapin::Error> {
    Connection::connect(url, ConnectionProperties::default()).await
}

impl Bench for RabbitMq {
    fn neighbours(&self) -> Vec<Neighbour> {
        vec![Neighbour::AsItIs]
    }

    async fn fill(&mut self, queue: &str, jobs: u64) -> anyhow::Result<()> {
        let channel = self.connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let declare = QueueDeclareOptions::durable();
        channel
            .queue_declare(queue.into(), declare, FieldTable::default())
            .await?;
        let mut confirms = Vec::new();
        for n in 0..jobs {
            let payload = n.to_string();
            let publish = channel.basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                payload.as_bytes(),
                BasicProperties::default(),
            );
            confirms.push(publish.await?);
        }
        for confirm in confirms {
            confirm.await?;
        }
        channel.close(200, "filled".into()).await?;
        Ok(())
    }

    async fn ours(&self, queue: &str, counter: &Counter) -> anyhow::Result<()> {
        lameduck(lameduck::lapin::RabbitMq::new(&self.url, queue), counter).await
    }

    async fn theirs(&self, _: Neighbour, queue: &str, counter: &Counter) -> anyhow::Result<()> {
        let connection = connect(&self.url).await?;
        let channel = connection.create_channel().await?;
        channel
            .basic_qos(HELD as u16, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions::default();
        let mut consumer = channel
            .basic_consume(queue.into(), "".into(), options, FieldTable::default())
            .await?;
        let counts = counter.clone();
        let consume = async move {
            while let Some(delivery) = consumer.next().await {
                let delivery = delivery?;
                let _job: u64 = serde_json::from_slice(&delivery.data)?;
                counts.count();
                delivery.ack(BasicAckOptions::default()).await?;
            }
            anyhow::Ok(())
        };
        bare(consume, counter).await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }
}
