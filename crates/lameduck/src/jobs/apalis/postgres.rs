//! Jobs in PostgreSQL, through `apalis-postgres`.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use apalis_core::backend::TaskResult;
use apalis_core::task::builder::TaskBuilder;
use apalis_postgres::{Config, PostgresStorage, queries};
use serde::Serialize;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use super::seat::{self, Fetched, Seat};
use crate::component::BoxError;
use crate::jobs::queue::{Lost, Queue, Settled, Taken, answers};

/// A queue in the tables of `apalis-postgres`. Several processes may work on it at the same time.
///
/// Failed jobs are tried again at once, until they have been tried `max_attempts` times (25 unless
/// the task says otherwise); then they stay in the table as `Failed`.
pub struct ApalisPostgres {
    pool: PgPool,
    seat: Seat,
}

impl ApalisPostgres {
    /// Jobs that were pushed to `queue`.
    pub fn new(pool: &PgPool, queue: &str) -> ApalisPostgres {
        ApalisPostgres {
            pool: pool.clone(),
            seat: Seat::new(queue),
        }
    }

    /// How long the jobs of a worker that is not heard of any more stay its own: 15 s unless told,
    /// at least 3 s. A heartbeat comes three times as often.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.seat.set_lease(lease);
        self
    }

    /// How often an idle worker looks for jobs: each 100 ms unless told.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.seat.poll = interval;
        self
    }

    /// Makes the schema `apalis`, or brings it up to date.
    ///
    /// # Errors
    ///
    /// Those of the migrations of `apalis-postgres`.
    pub async fn set_up(pool: &PgPool) -> Result<(), BoxError> {
        Ok(PostgresStorage::setup(pool).await?)
    }

    /// Pushes a job, as JSON, on a connection of yours: within a transaction it is committed, or
    /// not, with everything else in it.
    ///
    /// # Errors
    ///
    /// When `job` cannot be written as JSON, or the database refuses.
    pub async fn push(
        connection: &mut PgConnection,
        queue: &str,
        job: &(impl Serialize + Sync),
    ) -> Result<(), BoxError> {
        let task = TaskBuilder::new(serde_json::to_vec(job)?).build();
        Ok(queries::push_tasks(connection, queue, vec![task]).await?)
    }

    /// A session on which each statement is committed by itself. sqlx 0.9.0 leaves one whose `begin` was
    /// cancelled, by whomever, in a transaction, and has it go back to the pool like that (sqlx#4385):
    /// what is written there is seen by nobody, and gone when the session ends. It is committed here, since
    /// whoever has written there since was told that it is.
    async fn session(&self) -> Result<PoolConnection<Postgres>, BoxError> {
        let mut session = self.pool.acquire().await?;
        // One round trip, and without a transaction no warning in the server's log either.
        if sqlx::raw_sql("BEGIN; COMMIT")
            .execute(&mut *session)
            .await
            .is_err()
        {
            // Something has failed in that transaction.
            sqlx::raw_sql("ROLLBACK").execute(&mut *session).await?;
        }
        Ok(session)
    }

    /// Has the jobs of workers that are gone handed out again.
    async fn take_over_from_the_dead(&self, connection: &mut PgConnection) -> Result<(), BoxError> {
        let dead_for = self.seat.lease.as_secs();
        queries::reenqueue_orphaned(connection, &self.seat.queue, dead_for).await?;
        Ok(())
    }

    /// Writes the results of many jobs at once.
    async fn write(
        &self,
        results: Vec<TaskResult<serde_json::Value>>,
    ) -> Result<Vec<Settled>, BoxError> {
        let _turn = self.seat.turn.lock().await;
        // No transaction: one statement is one already, and its two extra round trips would
        // be most of the time that an acknowledgement takes.
        let mut connection = self.session().await?;
        let all: Vec<_> = results.iter().collect();
        let worker = self.seat.worker.name();
        let n = queries::handle_results(&mut *connection, &all, worker).await?;
        let mut settled = vec![Settled::Ours; results.len()];
        if n as usize != results.len() {
            // Somebody else has some of them; which ones shows when they are told one by one.
            for (result, settled) in all.iter().zip(&mut settled) {
                let one = [*result];
                if queries::handle_results(&mut *connection, &one, worker).await? == 0 {
                    *settled = Settled::NotOurs;
                }
            }
        }
        Ok(settled)
    }
}

impl fmt::Debug for ApalisPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApalisPostgres")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl Queue for ApalisPostgres {
    type Lease = Fetched;

    async fn open(&self, _most: usize) -> Result<(), BoxError> {
        let mut connection = self.session().await?;
        let (queue, worker) = (&self.seat.queue, &self.seat.worker);
        if queries::keep_alive(&mut *connection, queue, worker)
            .await
            .is_err()
        {
            sqlx::query(
                "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen) \
                 VALUES ($1, $2, 'lameduck', '', now()) ON CONFLICT (id) DO NOTHING",
            )
            .bind(worker.name())
            .bind(queue)
            .execute(&mut *connection)
            .await?;
        }
        self.take_over_from_the_dead(&mut connection).await
    }

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        tokio::time::sleep(self.seat.poll).await;
        Ok(())
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<Fetched>>, BoxError> {
        let config = Config::default().queue(&self.seat.queue).batch_size(most);
        let mut connection = self.session().await?;
        let tasks = queries::fetch_next(&mut *connection, &config, &self.seat.worker).await?;
        Ok(tasks.into_iter().filter_map(seat::taken).collect())
    }

    async fn done(&self, them: &[&Fetched]) -> Vec<Result<Settled, BoxError>> {
        let results = them.iter().map(|it| it.done()).collect();
        answers(them.len(), self.write(results).await)
    }

    async fn failed(&self, it: &Fetched, why: &str) -> Result<Settled, BoxError> {
        let settled = self.write(vec![it.failed(why)]).await?;
        Ok(settled.into_iter().next().unwrap_or(Settled::NotOurs))
    }

    async fn give_back(&self, them: &[&Fetched]) -> Result<(), BoxError> {
        let ids: Vec<String> = them.iter().map(|it| it.id.to_string()).collect();
        let (queue, worker) = (&self.seat.queue, self.seat.worker.name());
        let mut connection = self.session().await?;
        queries::reenqueue_abandoned(&mut *connection, queue, worker, &ids).await?;
        Ok(())
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(self.seat.heartbeat())
    }

    async fn keep(&self, them: &[&Fetched]) -> Result<Lost, BoxError> {
        let mut connection = self.session().await?;
        queries::keep_alive(&mut *connection, &self.seat.queue, &self.seat.worker).await?;
        self.take_over_from_the_dead(&mut connection).await?;
        let ours: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM apalis.jobs WHERE lock_by = $1 AND status = 'Queued'",
        )
        .bind(self.seat.worker.name())
        .fetch_all(&mut *connection)
        .await?;
        Ok(seat::lost(them, &ours.into_iter().collect::<HashSet<_>>()))
    }
}
