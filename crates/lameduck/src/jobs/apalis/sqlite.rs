//! Jobs in SQLite, through `apalis-sqlite`: no server needed.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use apalis_core::backend::{TaskResult, WorkerFilter};
use apalis_core::task::builder::TaskBuilder;
use apalis_sqlite::{Config, SqliteStorage, queries};
use serde::Serialize;
use sqlx::{SqliteConnection, SqlitePool};

use super::seat::{self, Fetched, Seat};
use crate::component::BoxError;
use crate::jobs::queue::{Lost, Queue, Settled, Taken, answers};

/// A queue in the tables of `apalis-sqlite`. Several processes may work on it at the same time.
///
/// Failed jobs are tried again at once, until they have been tried `max_attempts` times (25 unless
/// the task says otherwise); then they stay in the table as `Failed`.
///
/// ```
/// # use lameduck::{BoxError, Job, Lifecycle, queue::ApalisSqlite};
/// # async fn send(order: i64, _: Job) -> Result<(), BoxError> { Ok(()) }
/// # async fn f(pool: sqlx::SqlitePool) -> Result<(), BoxError> {
/// ApalisSqlite::set_up(&pool).await?;
///
/// // The order and its job, in one transaction.
/// let mut tx = pool.begin().await?;
/// sqlx::query("INSERT INTO orders (id) VALUES (7)").execute(&mut *tx).await?;
/// ApalisSqlite::push(&mut tx, "receipts", &7).await?;
/// tx.commit().await?;
///
/// let queue = ApalisSqlite::new(&pool, "receipts");
/// Lifecycle::new().jobs("receipts", queue, send).close("sqlite", pool).run().await;
/// # Ok(()) }
/// ```
pub struct ApalisSqlite {
    pool: SqlitePool,
    seat: Seat,
}

/// What apalis 1.0.0 writes by `queries::ack_tasks`. That one looks at all that the worker has ever done, for
/// each job once more: SQLite does not take it by the jobs' ids.
const RESULT: &str = "UPDATE Jobs \
    SET status = $1, attempts = $2, last_result = $3, done_at = strftime('%s', 'now') \
    WHERE id = $4 AND lock_by = $5";

impl ApalisSqlite {
    /// Jobs that were pushed to `queue`.
    pub fn new(pool: &SqlitePool, queue: &str) -> ApalisSqlite {
        ApalisSqlite {
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

    /// Makes the tables, or brings them up to date.
    ///
    /// # Errors
    ///
    /// Those of the migrations of `apalis-sqlite`.
    pub async fn set_up(pool: &SqlitePool) -> Result<(), BoxError> {
        Ok(SqliteStorage::setup(pool).await?)
    }

    /// Pushes a job, as JSON, on a connection of yours: within a transaction it is committed, or
    /// not, with everything else in it.
    ///
    /// # Errors
    ///
    /// When `job` cannot be written as JSON, or the database refuses.
    pub async fn push(
        connection: &mut SqliteConnection,
        queue: &str,
        job: &(impl Serialize + Sync),
    ) -> Result<(), BoxError> {
        let task = TaskBuilder::new(serde_json::to_vec(job)?).build();
        Ok(queries::push_tasks(connection, queue, &[task]).await?)
    }

    fn config(&self) -> Config {
        Config::default()
            .queue(&self.seat.queue)
            .heartbeat_interval(self.seat.heartbeat())
    }

    /// Has the jobs of workers that are gone handed out again.
    async fn take_over_from_the_dead(&self) -> Result<(), BoxError> {
        let others = WorkerFilter::AllExcept(self.seat.worker.name().to_owned());
        let dead_for = self.seat.lease.as_secs() as i64;
        queries::reenqueue_orphaned(&self.pool, dead_for, &self.seat.queue, &others).await?;
        Ok(())
    }

    /// Writes the results of many jobs at once.
    async fn write(
        &self,
        results: Vec<TaskResult<serde_json::Value>>,
    ) -> Result<Vec<Settled>, BoxError> {
        let _turn = self.seat.turn.lock().await;
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut settled = Vec::with_capacity(results.len());
        for it in &results {
            let written = sqlx::query(RESULT)
                .bind(it.status.to_string())
                .bind(i64::try_from(it.attempt)?)
                .bind(serde_json::to_string(&it.result)?)
                .bind(it.task_id.to_string())
                .bind(self.seat.worker.name());
            settled.push(match written.execute(&mut *tx).await?.rows_affected() {
                0 => Settled::NotOurs,
                _ => Settled::Ours,
            });
        }
        tx.commit().await?;
        Ok(settled)
    }
}

impl fmt::Debug for ApalisSqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApalisSqlite")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl Queue for ApalisSqlite {
    type Lease = Fetched;

    async fn open(&self, _most: usize) -> Result<(), BoxError> {
        let (config, worker) = (self.config(), &self.seat.worker);
        if queries::keep_alive(&self.pool, &config, worker)
            .await
            .is_err()
        {
            queries::register_worker(&self.pool, &config, worker, "lameduck").await?;
        }
        self.take_over_from_the_dead().await
    }

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        tokio::time::sleep(self.seat.poll).await;
        Ok(())
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<Fetched>>, BoxError> {
        let config = self.config().batch_size(most);
        let tasks = queries::fetch_next(&self.pool, &config, &self.seat.worker).await?;
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
        let worker = self.seat.worker.name();
        queries::reenqueue_abandoned(&self.pool, &self.seat.queue, worker, &ids).await?;
        Ok(())
    }

    fn keep_every(&self) -> Option<Duration> {
        Some(self.seat.heartbeat())
    }

    async fn keep(&self, them: &[&Fetched]) -> Result<Lost, BoxError> {
        queries::keep_alive(&self.pool, &self.config(), &self.seat.worker).await?;
        self.take_over_from_the_dead().await?;
        let ours: Vec<String> =
            sqlx::query_scalar("SELECT id FROM Jobs WHERE lock_by = ? AND status = 'Queued'")
                .bind(self.seat.worker.name())
                .fetch_all(&self.pool)
                .await?;
        Ok(seat::lost(them, &ours.into_iter().collect::<HashSet<_>>()))
    }
}
