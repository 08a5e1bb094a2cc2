//! PostgreSQL.

use lameduck::queue::ApalisPostgres;
use real_servers::{Postgres, or_skip};
use sqlx::PgPool;

use crate::scenario::{self, LEASE, Place};

struct Database {
    pool: PgPool,
    _server: Postgres,
}

impl Database {
    async fn new() -> Option<Database> {
        let server = or_skip(Postgres::start())?;
        let pool = PgPool::connect(&server.url()).await.unwrap();
        ApalisPostgres::set_up(&pool).await.unwrap();
        Some(Database {
            pool,
            _server: server,
        })
    }
}

impl Place for Database {
    type Queue = ApalisPostgres;

    async fn queue(&self) -> ApalisPostgres {
        ApalisPostgres::new(&self.pool, "test").lease(LEASE)
    }

    async fn push(&self, n: u64) {
        let mut connection = self.pool.acquire().await.unwrap();
        ApalisPostgres::push(&mut connection, "test", &n)
            .await
            .unwrap();
    }
}

/// Runs a scenario, if there is a server to run it on.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            if let Some(database) = Database::new().await {
                scenario::$name(database).await;
            }
        }
    )*};
}

scenarios!(
    acknowledged_only_after_success,
    given_back_at_the_deadline,
    fetched_ahead_goes_back_at_once,
    leases_are_kept_throughout_the_drain,
    a_crash_leaves_all_redeliverable,
);
