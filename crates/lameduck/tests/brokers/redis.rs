//! Redis, through the keys of `apalis`.

use std::ops::Range;
use std::time::Duration;

use lameduck::queue::ApalisRedis;
use real_servers::{Redis, or_skip};
use redis::aio::ConnectionManager;

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
