//! Redis, through the keys of `apalis`.

use std::ops::Range;
use std::time::Duration;

use lameduck::apalis::ApalisRedis;
use lameduck::{Exit, Queue};
use real_servers::{Redis, or_skip};
use redis::aio::ConnectionManager;
use tokio::sync::watch;

use crate::diary::{Diary, What};
use crate::server::{Addressed, Mortal, Server};
use crate::worker::{Takes, Worker};

struct Orders {
    server: Redis,
}

impl Orders {
    async fn connection(&self) -> ConnectionManager {
        connection_to(&self.server.url()).await
    }
}

async fn connection_to(address: &str) -> ConnectionManager {
    let client = redis::Client::open(address).expect("a good URL");
    let connection = client.get_connection_manager().await;
    connection.expect("the server is there")
}

impl Addressed for Orders {
    fn address(&self) -> String {
        self.server.url()
    }

    async fn queue_at(address: &str) -> ApalisRedis<ConnectionManager> {
        ApalisRedis::new(&connection_to(address).await, "receipts").lease(Self::LEASE)
    }
}

impl Server for Orders {
    type Queue = ApalisRedis<ConnectionManager>;
    const LEASE: Duration = Duration::from_secs(3);
    const GIVES_BACK_UNKNOWN: bool = true;

    async fn start() -> Option<Orders> {
        let server = or_skip(Redis::start())?;
        Some(Orders { server })
    }

    async fn queue(&self) -> ApalisRedis<ConnectionManager> {
        Self::queue_at(&self.address()).await
    }

    async fn push(&self, jobs: Range<u64>) {
        let connection = self.connection().await;
        for job in jobs {
            let pushed = ApalisRedis::push(&connection, "receipts", &job).await;
            pushed.expect("the server is there");
        }
    }

    async fn left(&self) -> usize {
        let mut connection = self.connection().await;
        let all: usize = redis::cmd("HLEN")
            .arg("receipts:data")
            .query_async(&mut connection)
            .await
            .expect("the server is there");
        let done: usize = redis::cmd("SCARD")
            .arg("receipts:done")
            .query_async(&mut connection)
            .await
            .expect("the server is there");
        all - done
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
async fn a_worker_taken_for_dead_gives_up_its_jobs_and_comes_back() {
    let Some(server) = Orders::start().await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let worker = Worker::new("a", Takes::Until(door)).holds(2, 0);
    let worker = worker.start(server.queue().await, &diary);
    diary.until("a", What::Started, 2).await;
    let other = Worker::new("b", Takes::NO_TIME).holds(2, 0);
    let mut connection = server.connection().await;
    let names: Vec<String> = redis::cmd("ZRANGE")
        .arg(&["receipts:workers", "0", "-1"])
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    let other = other.start(server.queue().await, &diary);
    // It was last heard of long ago, so whoever looks has its jobs handed out again; unless its next
    // heartbeat comes first.
    let third = server.queue().await;
    third.open(1).await.expect("the server is there");
    let mut known = true;
    while known {
        let () = redis::cmd("ZADD")
            .arg(&["receipts:workers", "1", &names[0]])
            .query_async(&mut connection)
            .await
            .expect("the server is there");
        third.keep(&[]).await.expect("the server is there");
        let heard_of: Option<f64> = redis::cmd("ZSCORE")
            .arg(&["receipts:workers", &names[0]])
            .query_async(&mut connection)
            .await
            .expect("the server is there");
        known = heard_of.is_some();
    }
    diary.until("b", What::Done, 2).await;
    diary.until("a", What::Cancelled, 2).await;
    assert_eq!(other.stop().await, Exit::CLEAN);

    open.send_replace(true);
    server.push(2..3).await;
    diary.until("a", What::Done, 1).await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    diary.assert_once_each(What::Done, 3);
    assert_eq!(server.left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_when_they_fail_for_good() {
    let Some(server) = Orders::start().await else {
        return;
    };
    server.push(0..1).await;
    let mut connection = server.connection().await;
    let id: Vec<String> = redis::cmd("HKEYS")
        .arg("receipts:data")
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    let () = redis::cmd("HSET")
        .arg(&[&format!("receipts:meta:{}", id[0]), "max_attempts", "1"])
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    let diary = Diary::new();
    let worker = Worker::new("a", Takes::TwoAttempts).holds(1, 0);
    let worker = worker.start(server.queue().await, &diary);
    diary.until("a", What::Failed, 1).await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    let dead: Vec<String> = redis::cmd("SMEMBERS")
        .arg("receipts:dead")
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    assert_eq!(dead, id);
}
