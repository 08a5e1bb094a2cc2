//! PostgreSQL, through the tables of `apalis`.

use std::ops::Range;
use std::time::Duration;

use lameduck::apalis::ApalisPostgres;
use real_servers::or_skip;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Postgres};

use crate::server::{Addressed, Mortal, Pooled, Server};

struct Database {
    pool: PgPool,
    server: real_servers::Postgres,
}

impl Server for Database {
    type Queue = ApalisPostgres;
    const LEASE: Duration = Duration::from_secs(3);
    const GIVES_BACK_UNKNOWN: bool = true;

    async fn start() -> Option<Database> {
        let server = or_skip(real_servers::Postgres::start())?;
        let pool = PgPool::connect(&server.url()).await;
        let pool = pool.expect("the server is there");
        let set_up = ApalisPostgres::set_up(&pool).await;
        set_up.expect("a new database");
        Some(Database { pool, server })
    }

    async fn queue(&self) -> ApalisPostgres {
        Self::queue_at(&self.address()).await
    }

    async fn push(&self, jobs: Range<u64>) {
        let mut connection = self.pool.acquire().await.expect("the server is there");
        for job in jobs {
            let pushed = ApalisPostgres::push(&mut connection, "receipts", &job).await;
            pushed.expect("the table is there");
        }
    }

    async fn left(&self) -> usize {
        let left = "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'";
        let left = sqlx::query_scalar::<_, i64>(left).fetch_one(&self.pool);
        usize::try_from(left.await.expect("the table is there")).expect("a count")
    }
}

impl Mortal for Database {
    async fn start_alone() -> Option<Database> {
        Self::start().await
    }

    fn kill(&mut self) {
        self.server.kill();
    }

    fn start_again(&mut self) {
        self.server.start_again();
    }
}

impl Addressed for Database {
    fn address(&self) -> String {
        self.server.url()
    }

    async fn queue_at(address: &str) -> ApalisPostgres {
        let pool = PgPool::connect(address).await;
        ApalisPostgres::new(&pool.expect("the server is there"), "receipts").lease(Self::LEASE)
    }
}

impl Pooled for Database {
    type Pool = PgPool;
    type Connection = PoolConnection<Postgres>;

    async fn queue_on_one_connection(&self) -> (ApalisPostgres, PgPool) {
        let one = PgPoolOptions::new().max_connections(1);
        let pool = one.connect(&self.server.url()).await;
        let pool = pool.expect("the server is there");
        let queue = ApalisPostgres::new(&pool, "receipts").lease(Self::LEASE);
        (queue, pool)
    }

    async fn acquire(pool: &PgPool) -> PoolConnection<Postgres> {
        pool.acquire().await.expect("it becomes free")
    }
}

crate::statements::workers!(Database);
crate::statements::killed_servers!(Database);
crate::statements::networks!(Database);
crate::statements::pools!(Database);
crate::statements::tests! { Database:
    unreachable::jobs_accounted_when_connections_fall_silent
}

/// Sessions of the pool are left in a transaction all the time, as sqlx 0.9 leaves one whose `begin` is
/// cancelled (sqlx#4385): what is written there afterwards is committed by nobody.
mod sessions_left_in_a_transaction {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use sqlx::Connection;

    use super::*;

    struct Leaky(Database);

    impl Server for Leaky {
        type Queue = ApalisPostgres;
        const LEASE: Duration = Database::LEASE;
        const GIVES_BACK_UNKNOWN: bool = Database::GIVES_BACK_UNKNOWN;

        async fn start() -> Option<Leaky> {
            Database::start().await.map(Leaky)
        }

        async fn queue(&self) -> ApalisPostgres {
            let one = PgPoolOptions::new().max_connections(1);
            let pool = one.connect(&self.0.server.url()).await;
            let pool = pool.expect("the server is there");
            tokio::spawn(leave_in_a_transaction(pool.clone()));
            ApalisPostgres::new(&pool, "receipts").lease(Self::LEASE)
        }

        async fn push(&self, jobs: Range<u64>) {
            self.0.push(jobs).await;
        }

        async fn left(&self) -> usize {
            self.0.left().await
        }
    }

    async fn leave_in_a_transaction(pool: PgPool) {
        while let Ok(mut connection) = pool.acquire().await {
            {
                let mut begin = pin!(connection.begin());
                // Asked once, which is when it writes BEGIN.
                poll_fn(|cx| Poll::Ready(begin.as_mut().poll(cx).is_pending())).await;
            }
            drop(connection);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    crate::statements::tests! { Leaky:
        done::jobs_accounted_done_once_each
        done::jobs_accounted_a_failed_one_comes_again
        leases::jobs_accounted_and_its_lease_kept_however_long_it_runs
        gone_back::jobs_accounted_let_go_ones_start_elsewhere_within_a_second
    }
}
