//! Where the jobs are that send receipts: beside the orders, or with a broker.
#![cfg_attr(
    not(any(
        feature = "nats",
        feature = "postgres",
        feature = "rabbitmq",
        feature = "redis"
    )),
    allow(
        unreachable_code,
        unused_variables,
        reason = "without any of them there is no elsewhere"
    )
)]

#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lameduck::{BadConfiguration, BoxError, Job, Lifecycle};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use tokio::sync::Notify;

#[cfg(feature = "nats")]
use self::nats::Nats;
#[cfg(feature = "postgres")]
use self::postgres::Postgres;
#[cfg(feature = "rabbitmq")]
use self::rabbitmq::RabbitMq;
#[cfg(feature = "redis")]
use self::redis::Redis;
use crate::database::Database;
use crate::outbox;

/// The name of the queue, and of the worker on it.
pub(crate) const RECEIPTS: &str = "receipts";

/// The job: send the receipt of an order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) order: i64,
    /// How long that takes.
    pub(crate) ms: u64,
}

impl Receipt {
    pub(crate) fn new(order: i64, ms: u64) -> Receipt {
        Receipt { order, ms }
    }
}

/// The queue of receipts.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    place: Place,
    /// Something was put in the outbox.
    committed: Arc<Notify>,
}

#[derive(Clone, Debug)]
enum Place {
    /// In the database of the orders: a job is committed with its order.
    BesideTheOrders(Database),
    /// Elsewhere: what is to go there is committed with its order to the outbox first.
    Elsewhere(Elsewhere),
}

/// A queue that takes no part in the transactions of the orders' database.
#[derive(Clone, Debug)]
pub(crate) enum Elsewhere {
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
    #[cfg(feature = "redis")]
    Redis(Redis),
    #[cfg(feature = "rabbitmq")]
    RabbitMq(RabbitMq),
    #[cfg(feature = "nats")]
    Nats(Box<Nats>),
}

/// How the addresses of queues begin, and the feature that each needs.
const SCHEMES: [(&str, &str); 5] = [
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("redis", "redis"),
    ("amqp", "rabbitmq"),
    ("nats", "nats"),
];

/// How the work is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) workers: usize,
    pub(crate) lease: Duration,
}

impl Jobs {
    /// The queue at `url`, or beside the orders in `database`, whose address is `database_url`. The
    /// jobs of a worker that is gone without a word stay its own for as long as `lease`.
    pub(crate) async fn open(
        url: Option<&str>,
        database: &Database,
        database_url: Option<&str>,
        lease: Duration,
    ) -> anyhow::Result<Jobs> {
        let place = match url {
            None => Place::BesideTheOrders(database.clone()),
            Some(url) if Some(url) == database_url => Place::BesideTheOrders(database.clone()),
            Some(url) => Place::Elsewhere(Elsewhere::connect(url, lease).await?),
        };
        match &place {
            Place::BesideTheOrders(Database::Sqlite(pool)) => sqlite::set_up(pool).await?,
            #[cfg(feature = "postgres")]
            Place::BesideTheOrders(Database::Postgres(pool)) => postgres::set_up(pool).await?,
            Place::Elsewhere(_) => {}
        }
        Ok(Jobs {
            place,
            committed: Arc::default(),
        })
    }

    /// Pushes a job within a transaction of the orders' database.
    pub(crate) async fn push_in_sqlite(
        &self,
        tx: &mut SqliteConnection,
        job: &Receipt,
    ) -> anyhow::Result<()> {
        match &self.place {
            Place::BesideTheOrders(_) => sqlite::push(tx, job).await,
            Place::Elsewhere(_) => outbox::sqlite::put(tx, job).await,
        }
    }

    /// The same in PostgreSQL.
    #[cfg(feature = "postgres")]
    pub(crate) async fn push_in_postgres(
        &self,
        tx: &mut sqlx::PgConnection,
        job: &Receipt,
    ) -> anyhow::Result<()> {
        match &self.place {
            Place::BesideTheOrders(_) => postgres::push(tx, job).await,
            Place::Elsewhere(_) => outbox::postgres::put(tx, job).await,
        }
    }

    /// A transaction with a job in it was committed.
    pub(crate) fn committed(&self) {
        self.committed.notify_one();
    }

    /// How many jobs wait for a worker.
    pub(crate) async fn waiting(&self) -> anyhow::Result<i64> {
        match &self.place {
            Place::BesideTheOrders(Database::Sqlite(pool)) => sqlite::waiting(pool).await,
            #[cfg(feature = "postgres")]
            Place::BesideTheOrders(Database::Postgres(pool)) => postgres::waiting(pool).await,
            Place::Elsewhere(it) => it.waiting().await,
        }
    }

    /// Adds to the life of the shop whatever works on the jobs, and what brings them here.
    pub(crate) fn serve<F>(
        &self,
        life: Lifecycle,
        work: Work,
        database: &Database,
        handler: impl Fn(Receipt, Job) -> F + Send + Sync + 'static,
    ) -> Lifecycle
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        match &self.place {
            Place::BesideTheOrders(Database::Sqlite(pool)) => {
                life.component(work.on(sqlite::queue(pool, work), handler))
            }
            #[cfg(feature = "postgres")]
            Place::BesideTheOrders(Database::Postgres(pool)) => {
                life.component(work.on(postgres::queue(pool, work), handler))
            }
            Place::Elsewhere(it) => {
                let relay = outbox::Relay {
                    database: database.clone(),
                    to: it.clone(),
                    committed: self.committed.clone(),
                };
                it.serve(life, work, handler)
                    .task("outbox", |handle| relay.run(handle))
                    // A request in flight may still put something into it.
                    .depends_on("http", "outbox")
            }
        }
    }

    /// Has the queue closed after everything that uses it.
    pub(crate) fn close(&self, life: Lifecycle) -> Lifecycle {
        match &self.place {
            Place::BesideTheOrders(_) => life,
            Place::Elsewhere(it) => it.close(life),
        }
    }

    /// Closes it, where there is no lifecycle.
    pub(crate) async fn close_now(&self) {
        if let Place::Elsewhere(it) = &self.place {
            it.close_now().await;
        }
    }
}

impl Work {
    fn on<Q: lameduck::Queue, F>(
        &self,
        queue: Q,
        handler: impl Fn(Receipt, Job) -> F + Send + Sync + 'static,
    ) -> lameduck::Jobs<Q>
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        lameduck::Jobs::new(RECEIPTS, queue, handler).concurrency(self.workers)
    }
}

/// Runs the same on whichever it is.
macro_rules! each {
    ($elsewhere:expr, $it:ident => $run:expr) => {
        match *$elsewhere {
            #[cfg(feature = "postgres")]
            Elsewhere::Postgres(ref $it) => $run,
            #[cfg(feature = "redis")]
            Elsewhere::Redis(ref $it) => $run,
            #[cfg(feature = "rabbitmq")]
            Elsewhere::RabbitMq(ref $it) => $run,
            #[cfg(feature = "nats")]
            Elsewhere::Nats(ref $it) => $run,
        }
    };
}

impl Elsewhere {
    async fn connect(url: &str, lease: Duration) -> anyhow::Result<Elsewhere> {
        let (scheme, _) = url.split_once("://").unwrap_or_default();
        let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
        let Some((_, feature)) = known else {
            return Err(BadConfiguration::new(format!(
                "--queue {url}: not a queue that the shop knows; \
                 give postgres://…, redis://…, amqp://… or nats://…"
            ))
            .into());
        };
        Ok(match *feature {
            #[cfg(feature = "postgres")]
            "postgres" => Elsewhere::Postgres(Postgres::connect(url).await?),
            #[cfg(feature = "redis")]
            "redis" => Elsewhere::Redis(Redis::connect(url).await?),
            #[cfg(feature = "rabbitmq")]
            "rabbitmq" => Elsewhere::RabbitMq(RabbitMq::connect(url).await?),
            #[cfg(feature = "nats")]
            "nats" => Elsewhere::Nats(Box::new(Nats::connect(url, lease).await?)),
            missing => {
                return Err(crate::built_without(missing)).context(format!("--queue {url}"));
            }
        })
    }

    async fn waiting(&self) -> anyhow::Result<i64> {
        each!(self, it => it.waiting().await)
    }

    /// Publishes jobs; they are with the queue when this returns.
    pub(crate) async fn publish(&self, jobs: &[Receipt]) -> anyhow::Result<()> {
        each!(self, it => it.publish(jobs).await)
    }

    fn serve<F>(
        &self,
        life: Lifecycle,
        work: Work,
        handler: impl Fn(Receipt, Job) -> F + Send + Sync + 'static,
    ) -> Lifecycle
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        match *self {
            #[cfg(feature = "postgres")]
            Elsewhere::Postgres(ref it) => life.component(work.on(it.queue(work), handler)),
            #[cfg(feature = "redis")]
            Elsewhere::Redis(ref it) => life.component(work.on(it.queue(work), handler)),
            #[cfg(feature = "rabbitmq")]
            Elsewhere::RabbitMq(ref it) => life.component(work.on(it.queue(work), handler)),
            #[cfg(feature = "nats")]
            Elsewhere::Nats(ref it) => life.component(work.on(it.queue(work), it.counted(handler))),
        }
    }

    fn close(&self, life: Lifecycle) -> Lifecycle {
        each!(self, it => it.close(life))
    }

    async fn close_now(&self) {
        each!(self, it => it.close_now().await);
    }
}
