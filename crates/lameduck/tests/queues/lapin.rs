//! RabbitMQ.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lameduck::lapin::RabbitMq;
use lameduck::{Exit, Queue};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use real_servers::{NotHere, or_skip};

use crate::diary::{Diary, What};
use crate::server::{Addressed, Mortal, Server};
use crate::worker::{Takes, Worker};

/// One broker for all tests that let it live: it takes 8 s to start. It ends with this process.
static SHARED: OnceLock<Result<real_servers::RabbitMqServer, NotHere>> = OnceLock::new();

/// Each test has a queue of its own.
static QUEUES: AtomicUsize = AtomicUsize::new(0);

struct Orders {
    url: String,
    queue: String,
    alone: Option<real_servers::RabbitMqServer>,
}

impl Orders {
    async fn on(url: String, alone: Option<real_servers::RabbitMqServer>) -> Orders {
        let number = QUEUES.fetch_add(1, Ordering::Relaxed);
        let orders = Orders {
            url,
            queue: format!("receipts-{number}"),
            alone,
        };
        orders.declare().await;
        orders
    }

    /// On a broker that no other test uses, so that its log is about this one.
    async fn alone() -> Option<Orders> {
        let server = or_skip(real_servers::RabbitMqServer::start())?;
        Some(Orders::on(server.url(), Some(server)).await)
    }

    /// A quorum queue, because it counts attempts. But a broker that is killed within a second of
    /// its declaration never finds the leader of one again.
    async fn declare(&self) {
        let kind = if self.alone.is_some() {
            "classic"
        } else {
            "quorum"
        };
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let connection = self.connection().await;
        let channel = connection.create_channel().await.expect("a channel");
        let queue = channel.queue_declare(self.queue.as_str().into(), options, arguments);
        queue.await.expect("a new queue");
        let goodbye = connection.close(200, "declared".into()).await;
        goodbye.expect("a goodbye");
    }

    async fn is_there(&self) -> bool {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let connection = self.connection().await;
        let channel = connection.create_channel().await.expect("a channel");
        let name = self.queue.as_str().into();
        let queue = channel.queue_declare(name, options, FieldTable::default());
        let is_there = queue.await.is_ok();
        // If it is not there, the broker has closed the channel, and who comes first may be told.
        let _ = connection.close(200, "looked".into()).await;
        is_there
    }

    async fn connection(&self) -> Connection {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await;
        connection.expect("the broker is there")
    }
}

impl Server for Orders {
    type Queue = RabbitMq;
    const LEASE: Duration = Duration::ZERO;
    // The broker has back whatever is not acknowledged when the channel ends.
    const GIVES_BACK_UNKNOWN: bool = false;

    async fn start() -> Option<Orders> {
        let shared = SHARED.get_or_init(real_servers::RabbitMqServer::start);
        // Each test tells its own skip.
        let server = or_skip(shared.as_ref().map_err(NotHere::clone))?;
        Some(Orders::on(server.url(), None).await)
    }

    async fn queue(&self) -> RabbitMq {
        RabbitMq::new(&self.url, &self.queue)
    }

    async fn push(&self, jobs: Range<u64>) {
        let connection = self.connection().await;
        let channel = connection.create_channel().await.expect("a channel");
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        confirm.await.expect("the broker is there");
        for job in jobs {
            let payload = job.to_string();
            let sent = channel.basic_publish(
                "".into(),
                self.queue.as_str().into(),
                BasicPublishOptions::default(),
                payload.as_bytes(),
                BasicProperties::default().with_delivery_mode(2),
            );
            sent.await
                .expect("the broker is there")
                .await
                .expect("it is kept");
        }
        connection
            .close(200, "pushed".into())
            .await
            .expect("a goodbye");
    }

    async fn left(&self) -> usize {
        // The queue's own count lags behind. What was got goes back when the connection ends.
        let connection = self.connection().await;
        let channel = connection.create_channel().await.expect("a channel");
        let mut left = 0;
        loop {
            let got = channel.basic_get(self.queue.as_str().into(), BasicGetOptions::default());
            match got.await.expect("the broker is there") {
                Some(_) => left += 1,
                None => break,
            }
        }
        connection
            .close(200, "counted".into())
            .await
            .expect("a goodbye");
        left
    }
}

impl Addressed for Orders {
    /// With heartbeats that let both sides notice soon that the other is gone.
    fn address(&self) -> String {
        format!("{}?heartbeat=1 {}", self.url, self.queue)
    }

    async fn queue_at(address: &str) -> RabbitMq {
        let (url, queue) = address.split_once(' ').expect("both");
        RabbitMq::new(url, queue)
    }
}

impl Mortal for Orders {
    async fn start_alone() -> Option<Orders> {
        let mut orders = Orders::alone().await?;
        // A broker that is killed right after a queue was declared may have forgotten it, messages and
        // all: one did in 54. A queue that it has found again after such an end is there to stay.
        loop {
            orders.kill();
            orders.start_again();
            if orders.is_there().await {
                return Some(orders);
            }
            orders.declare().await;
        }
    }

    fn kill(&mut self) {
        self.alone.as_mut().expect("alone").kill();
    }

    fn start_again(&mut self) {
        self.alone.as_mut().expect("alone").start_again();
    }
}

crate::statements::workers!(Orders);
crate::statements::killed_servers!(Orders);
crate::statements::networks!(Orders);

#[tokio::test(flavor = "multi_thread")]
async fn every_session_ends_with_a_goodbye() {
    let Some(server) = Orders::alone().await else {
        return;
    };
    server.push(0..20).await;
    let diary = Diary::new();
    let worker = Worker::new("a", Takes::Forever).grace(Duration::from_secs(1));
    let worker = worker.start(server.queue().await, &diary);
    diary.until("a", What::Started, 4).await;
    assert_eq!(worker.stop().await, Exit::LET_GO);
    let idle = Worker::new("b", Takes::NO_TIME).start(server.queue().await, &diary);
    diary.until_done(20).await;
    assert_eq!(idle.stop().await, Exit::CLEAN);

    // The broker answers first and writes its log after that.
    let count = |what: &str| {
        let log = server.alone.as_ref().expect("alone").log();
        log.matches(what).count()
    };
    let ended = || count("closing AMQP connection");
    let deadline = Instant::now() + Duration::from_secs(20);
    while ended() < 4 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count("unexpectedly closed"), 0);
    assert_eq!((count("accepting AMQP connection"), ended()), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_is_an_error_that_names_it() {
    let Some(server) = Orders::start().await else {
        return;
    };
    let queue = RabbitMq::new(&server.url, "no-such-queue");
    let error = queue.open(1).await.expect_err("it is not there");
    assert!(error.to_string().contains("no-such-queue"), "{error}");
}
