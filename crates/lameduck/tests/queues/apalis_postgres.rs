//! PostgreSQL, through the tables of `apalis`.

use std::ops::Range;
use std::time::Duration;

use lameduck::queue::ApalisPostgres;
use real_servers::{Postgres, or_skip};
use sqlx::PgPool;

use crate::server::{Mortal, Server};

struct Database {
    pool: PgPool,
    server: Postgres,
}

impl Server for Database {
    type Queue = ApalisPostgres;
    const LEASE: Duration = Duration::from_secs(3);

    async fn start() -> Option<Database> {
        let server = or_skip(Postgres::start())?;
        let pool = PgPool::connect(&server.url()).await;
        let pool = pool.expect("the server is there");
        let set_up = ApalisPostgres::set_up(&pool).await;
        set_up.expect("a new database");
        Some(Database { pool, server })
    }

    async fn queue(&self) -> ApalisPostgres {
        let pool = PgPool::connect(&self.server.url()).await;
        ApalisPostgres::new(&pool.expect("the server is there"), "receipts").lease(Self::LEASE)
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

crate::statements::workers!(Database);
crate::statements::killed_servers!(Database);
