//! Jobs in SQLite, through `apalis-sqlite`: no server needed.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use apalis_core::backend::WorkerFilter;
use apalis_core::task::builder::TaskBuilder;
use apalis_sqlite::{Config, SqliteStorage, queries};
use serde::Serialize;
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool};

use crate::seat::{self, EndedAttempt, Fetched, Seat};
use crate::session::{Own, within};
use lameduck_core::BoxError;
use lameduck_jobs::adapter::answers;
use lameduck_jobs::adapter::polling;
use lameduck_jobs::{Lost, Queue, Settled, Taken};

/// A queue in the tables of `apalis-sqlite`. Several processes may work on it at the same time.
///
/// Failed jobs are tried again at once, until they have been tried `max_attempts` times (25 unless
/// the task says otherwise); then they stay in the table as `Failed`.
///
/// ```
/// # use lameduck_apalis::ApalisSqlite;
/// # use lameduck_core::{BoxError, Lifecycle};
/// # use lameduck_jobs::{Job, Jobs};
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
/// let life = Lifecycle::new();
/// life.component(Jobs::new("receipts", queue, send)).run().await;
/// # Ok(()) }
/// ```
pub struct ApalisSqlite {
    own: Own<Sqlite>,
    seat: Seat,
}

/// The longest pause of an idle worker before it looks again. Nobody tells us of what other processes push or
/// give back.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What apalis 1.0.0 writes by `queries::ack_tasks`, but for an attempt that is still ours, or was ended like
/// this before. That query also looks at all that the worker has ever done, for each job once more, as
/// SQLite would here without the `+`: it would not take it by the jobs' ids.
const RESULT: &str = "UPDATE Jobs \
    SET status = ?1, attempts = ?2, last_result = ?3, done_at = strftime('%s', 'now') \
    WHERE id = ?4 AND +lock_by = ?5 \
    AND (status IN ('Queued', 'Running') AND attempts = ?2 - 1 OR status = ?1 AND attempts = ?2)";

/// What apalis 1.0.0 writes by `queries::reenqueue_abandoned`, for one attempt.
const BACK: &str = "UPDATE Jobs \
    SET status = 'Pending', attempts = attempts + 1, lock_by = NULL, lock_at = NULL, done_at = NULL, \
    last_result = '{\"Err\": \"Re-enqueued due to worker shutdown\"}' \
    WHERE id = ?1 AND +lock_by = ?2 AND status IN ('Queued', 'Running') AND attempts = ?3";

/// What the database believes to be a worker's. Found by its status: of what the worker has locked it has
/// done most.
const OURS: &str = "SELECT id, attempts FROM Jobs WHERE status = 'Queued' AND +lock_by = ?";

impl ApalisSqlite {
    /// Jobs that were pushed to `queue`.
    pub fn new(pool: &SqlitePool, queue: &str) -> ApalisSqlite {
        // Nobody else can open what has no name.
        let nameless = pool.connect_options().get_filename() == Path::new(":memory:");
        ApalisSqlite {
            own: match nameless {
                true => Own::none_beside(pool),
                false => Own::beside(pool, 4),
            },
            seat: Seat::new(queue, LONGEST_PAUSE),
        }
    }

    /// How long the jobs of a worker that is not heard of any more stay its own, in whole seconds.
    /// Default: 15 s. At least 3 s. A heartbeat comes three times as often, on a connection of the
    /// worker's own. SQLite has one writer at a time: whoever keeps that place for longer than a lease, a
    /// handler for example, has every worker lose its jobs.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.seat.set_lease(lease);
        self
    }

    /// How soon a worker that has found no more jobs looks again. Default: 100 ms. The pauses
    /// double from then on, up to [`poll_at_least_every`](ApalisSqlite::poll_at_least_every).
    /// A push in the same process is noticed after this time, however long the worker has been idle.
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.seat.pace.set_shortest(pause);
        self
    }

    /// The longest pause of an idle worker. Default: 500 ms. Not less than
    /// [`poll_every`](ApalisSqlite::poll_every). Jobs that another process pushes or gives back may wait
    /// that long.
    pub fn poll_at_least_every(mut self, pause: Duration) -> Self {
        self.seat.pace.set_longest(pause);
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
        queries::push_tasks(connection, queue, &[task]).await?;
        polling::tell(queue);
        Ok(())
    }

    fn config(&self) -> Config {
        Config::default()
            .queue(&self.seat.queue)
            .heartbeat_interval(self.seat.lease / 3)
    }

    /// Has the jobs of workers that are gone handed out again.
    async fn take_over_from_the_dead(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), BoxError> {
        let others = WorkerFilter::AllExcept(self.seat.worker.name().to_owned());
        // A heartbeat's time is cut to the second, so that the difference of two may be one too much.
        let dead_for = self.seat.lease.as_secs() as i64 + 1;
        queries::reenqueue_orphaned(connection, dead_for, &self.seat.queue, &others).await?;
        Ok(())
    }

    /// Writes the results of many jobs at once.
    async fn write(&self, results: Vec<EndedAttempt<'_>>) -> Result<Vec<Settled>, BoxError> {
        let _turn = self.seat.turn.lock().await;
        let mut session = self.own.either(self.seat.answer()).await?;
        let mut tx = session.begin_with("BEGIN IMMEDIATE").await?;
        let mut settled = Vec::with_capacity(results.len());
        for it in &results {
            let written = sqlx::query(RESULT)
                .bind(it.status)
                .bind(it.it.attempts_after())
                .bind(it.result.as_str())
                .bind(it.it.id.to_string())
                .bind(self.seat.worker.name());
            settled.push(match written.execute(&mut *tx).await?.rows_affected() {
                0 => Settled::NotOurs,
                _ => Settled::Ours,
            });
        }
        tx.commit().await?;
        Ok(session.answered(settled))
    }

    /// Gives back jobs of ours, those of them that still are; says how many.
    async fn put_back(&self, them: &[(String, i32)]) -> Result<usize, BoxError> {
        let mut session = self.own.session(self.seat.answer()).await?;
        let mut tx = session.begin_with("BEGIN IMMEDIATE").await?;
        let mut given = 0;
        for (id, attempts) in them {
            let back = sqlx::query(BACK)
                .bind(id)
                .bind(self.seat.worker.name())
                .bind(attempts);
            given += back.execute(&mut *tx).await?.rows_affected() as usize;
        }
        tx.commit().await?;
        polling::tell(&self.seat.queue);
        Ok(session.answered(given))
    }

    /// What the database believes to be ours, with the attempts of each.
    async fn ours(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<HashSet<(String, i32)>, BoxError> {
        let ours = sqlx::query_as(OURS).bind(self.seat.worker.name());
        Ok(ours.fetch_all(connection).await?.into_iter().collect())
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
        let mut session = self.own.session(self.seat.answer()).await?;
        let (config, worker) = (self.config(), &self.seat.worker);
        if queries::keep_alive(&mut *session, &config, worker)
            .await
            .is_err()
        {
            queries::register_worker(&mut *session, &config, worker, "lameduck").await?;
        }
        self.take_over_from_the_dead(&mut session).await?;
        session.answered(());
        Ok(())
    }

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        self.seat.pace.pause().await;
        Ok(())
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<Fetched>>, BoxError> {
        let config = self.config().batch_size(most);
        let mut session = self.own.either(self.seat.answer()).await?;
        let tasks = queries::fetch_next(&mut *session, &config, &self.seat.worker).await?;
        let tasks = session.answered(tasks);
        self.seat.pace.found(tasks.len());
        Ok(tasks.into_iter().filter_map(seat::taken).collect())
    }

    async fn done(&self, them: &[&Fetched]) -> Vec<Result<Settled, BoxError>> {
        let results = them.iter().map(|it| EndedAttempt::done(it)).collect();
        answers(them.len(), self.write(results).await)
    }

    async fn failed(&self, it: &Fetched, why: &str) -> Result<Settled, BoxError> {
        let settled = self.write(vec![EndedAttempt::failed(it, why)]).await?;
        polling::tell(&self.seat.queue);
        Ok(settled.into_iter().next().unwrap_or(Settled::NotOurs))
    }

    async fn give_back(&self, them: &[&Fetched]) -> Result<(), BoxError> {
        within(self.seat.answer(), self.put_back(&seat::rows(them))).await?;
        Ok(())
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.seat.lease)
    }

    async fn keep(&self, them: &[&Fetched]) -> Result<Lost, BoxError> {
        let kept = async {
            let mut session = self.own.session(self.seat.answer()).await?;
            queries::keep_alive(&mut *session, &self.config(), &self.seat.worker).await?;
            self.take_over_from_the_dead(&mut session).await?;
            let ours = self.ours(&mut session).await?;
            Ok(session.answered(seat::lost(them, &ours)))
        };
        within(self.seat.answer(), kept).await
    }

    fn same_job(&self, one: &Fetched, other: &Fetched) -> bool {
        one.id == other.id
    }

    async fn give_back_unknown(&self, known: &[&Fetched]) -> Result<usize, BoxError> {
        let given = async {
            let mut session = self.own.session(self.seat.answer()).await?;
            let ours = self.ours(&mut session).await?;
            let mut unknown = session.answered(ours);
            for known in seat::rows(known) {
                unknown.remove(&known);
            }
            match unknown.is_empty() {
                true => Ok(0),
                false => {
                    let unknown: Vec<_> = unknown.into_iter().collect();
                    self.put_back(&unknown).await
                }
            }
        };
        within(self.seat.answer(), given).await
    }

    async fn end(&self) {
        self.own.close().await;
    }
}
