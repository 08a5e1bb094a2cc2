//! NATS JetStream.

use std::ops::Range;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer, stream};
use lameduck::Exit;
use lameduck::nats::JetStream;
use real_servers::{Nats, or_skip};

use crate::diary::{Diary, What};
use crate::server::{Addressed, Mortal, Server};
use crate::worker::{Takes, Worker};

struct Orders {
    server: Nats,
}

impl Orders {
    async fn client(&self) -> async_nats::Client {
        client_of(&self.server.url()).await
    }

    async fn stream(&self) -> stream::Stream {
        stream_of(self.client().await).await
    }
}

async fn client_of(address: &str) -> async_nats::Client {
    async_nats::ConnectOptions::new()
        .retry_on_initial_connect()
        .connect(address)
        .await
        .expect("it connects when it can")
}

async fn stream_of(client: async_nats::Client) -> stream::Stream {
    let context = jetstream::new(client);
    let config = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders".to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        ..stream::Config::default()
    };
    loop {
        // JetStream is there a moment after the server.
        if let Ok(stream) = context.get_or_create_stream(config.clone()).await {
            return stream;
        }
    }
}

impl Addressed for Orders {
    fn address(&self) -> String {
        self.server.url()
    }

    async fn queue_at(address: &str) -> JetStream {
        let config = consumer::pull::Config {
            durable_name: Some("receipts".to_owned()),
            ack_wait: Self::LEASE,
            ..consumer::pull::Config::default()
        };
        let client = client_of(address).await;
        let stream = stream_of(client.clone()).await;
        let consumer = stream.get_or_create_consumer("receipts", config).await;
        JetStream::new(client, consumer.expect("the stream is there"))
    }
}

impl Server for Orders {
    type Queue = JetStream;
    const LEASE: Duration = Duration::from_secs(1);
    // The server hears nothing more of what it handed out, and hands it out again.
    const GIVES_BACK_UNKNOWN: bool = false;

    async fn start() -> Option<Orders> {
        let server = or_skip(Nats::start())?;
        let orders = Orders { server };
        orders.stream().await;
        Some(orders)
    }

    async fn queue(&self) -> JetStream {
        Self::queue_at(&self.address()).await
    }

    async fn push(&self, jobs: Range<u64>) {
        let context = jetstream::new(self.client().await);
        for job in jobs {
            let sent = context.publish("orders", job.to_string().into()).await;
            sent.expect("the stream is there")
                .await
                .expect("it is kept");
        }
    }

    async fn left(&self) -> usize {
        let mut stream = self.stream().await;
        let info = stream.info().await.expect("the stream is there");
        usize::try_from(info.state.messages).expect("not many")
    }
}

impl Mortal for Orders {
    async fn start_alone() -> Option<Orders> {
        Self::start().await
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    fn start_again(&mut self) {
        self.server.start_again();
    }
}

crate::statements::workers!(Orders);
crate::statements::killed_servers!(Orders);
crate::statements::networks!(Orders);

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_cannot_be_renewed_is_lost_and_its_handler_cancelled() {
    let Some(mut server) = Orders::start().await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let worker = Worker::new("a", Takes::Forever).holds(2, 0);
    let worker = worker.start(server.queue().await, &diary);
    diary.until("a", What::Started, 2).await;
    server.kill();
    diary.until("a", What::Cancelled, 2).await;
    server.start_again();
    // Taken anew, by whoever is there. Which attempt it is, a server that was killed may not know.
    diary.until("a", What::Started, 4).await;
    assert_eq!(diary.jobs("a", What::Started), [0, 0, 1, 1]);
    worker.handle.shutdown("test");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_hears_of_each_message_at_once() {
    let Some(server) = Orders::start().await else {
        return;
    };
    let diary = Diary::new();
    let worker = Worker::new("a", Takes::Time(Duration::from_millis(40)));
    let worker = worker.start(server.queue().await, &diary);
    let mut late = Vec::new();
    // Long enough for the leases to be kept several times.
    for job in 0..30 {
        server.push(job..job + 1).await;
        let pushed = Instant::now();
        diary
            .until_done(usize::try_from(job).expect("few") + 1)
            .await;
        let started = diary.of("a", What::Started).pop().expect("it is done");
        late.push(started.at.saturating_duration_since(pushed));
    }
    assert_eq!(worker.stop().await, Exit::CLEAN);
    let slow = late
        .iter()
        .filter(|late| **late > Duration::from_millis(250));
    // One may be the fault of a busy machine.
    assert!(slow.count() <= 1, "{late:?}");
}
