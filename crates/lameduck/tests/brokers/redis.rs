//! Redis, through the keys of `apalis`.

use std::ops::Range;
use std::time::Duration;

use lameduck::Exit;
use lameduck::queue::ApalisRedis;
use real_servers::{Redis, or_skip};
use redis::aio::ConnectionManager;
use tokio::sync::watch;

use crate::diary::{Diary, Takes, What, work};
use crate::server::Server;

struct Orders {
    server: Redis,
}

impl Orders {
    async fn connection(&self) -> ConnectionManager {
        let client = redis::Client::open(self.server.url()).expect("a good URL");
        client
            .get_connection_manager()
            .await
            .expect("the server is there")
    }
}

impl Server for Orders {
    type Queue = ApalisRedis<ConnectionManager>;
    const LEASE: Duration = Duration::from_secs(3);

    async fn start(_alone: bool) -> Option<Orders> {
        let server = or_skip(Redis::start())?;
        Some(Orders { server })
    }

    async fn queue(&self) -> ApalisRedis<ConnectionManager> {
        ApalisRedis::new(&self.connection().await, "receipts").lease(Self::LEASE)
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

    fn kill(&mut self) {
        self.server.kill();
    }

    fn start_again(&mut self) {
        self.server.start_again();
    }
}

crate::promises::promises!(Orders);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_taken_for_dead_gives_up_its_jobs_and_comes_back() {
    let Some(server) = Orders::start(false).await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let grace = Duration::from_secs(30);
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Until(door),
        (2, 0),
        grace,
    );
    diary
        .until("both run", |diary| diary.of("a", What::Started).len() == 2)
        .await;
    // It was last heard of long ago, so another worker has its jobs handed out again.
    let mut connection = server.connection().await;
    let names: Vec<String> = redis::cmd("ZRANGE")
        .arg(&["receipts:workers", "0", "-1"])
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    let () = redis::cmd("ZADD")
        .arg("receipts:workers")
        .arg(1)
        .arg(&names[0])
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    let other = work(
        server.queue().await,
        &diary,
        "b",
        Takes::Time(Duration::ZERO),
        (2, 0),
        grace,
    );
    diary
        .until("both are done elsewhere", |diary| {
            diary.of("b", What::Done).len() == 2
        })
        .await;
    diary
        .until("both are cancelled here", |diary| {
            diary.of("a", What::Cancelled).len() == 2
        })
        .await;
    assert_eq!(other.stop().await, Exit::CLEAN);

    open.send_replace(true);
    server.push(2..3).await;
    diary
        .until("it works again", |diary| {
            diary.of("a", What::Done).len() == 1
        })
        .await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_eq!(
        diary.done().values().copied().collect::<Vec<_>>(),
        [1, 1, 1]
    );
    assert_eq!(server.left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_accounted_when_they_fail_for_good() {
    let Some(server) = Orders::start(false).await else {
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
    let grace = Duration::from_secs(30);
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Failing,
        (1, 0),
        grace,
    );
    diary
        .until("it runs", |diary| diary.of("a", What::Started).len() == 1)
        .await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    let dead: Vec<String> = redis::cmd("SMEMBERS")
        .arg("receipts:dead")
        .query_async(&mut connection)
        .await
        .expect("the server is there");
    assert_eq!(dead, id);
}
