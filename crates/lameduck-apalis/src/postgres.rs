//! Jobs in PostgreSQL, through `apalis-postgres`.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use apalis_core::task::builder::TaskBuilder;
use apalis_postgres::{Config, PostgresStorage, queries};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::listener::NotificationListener;
use crate::seat::{self, EndedAttempt, Fetched, Seat};
use crate::session::{Own, StorageSession, within};
use lameduck_core::BoxError;
use lameduck_jobs::adapter::answers;
use lameduck_jobs::adapter::polling;
use lameduck_jobs::{Lost, Queue, Settled, Taken};

/// A queue in the tables of `apalis-postgres`. Several processes may work on it at the same time.
///
/// Failed jobs are tried again at once, until they have been tried `max_attempts` times (25 unless
/// the task says otherwise); then they stay in the table as `Failed`.
pub struct ApalisPostgres {
    own: Own<Postgres>,
    listener: Mutex<Option<Arc<NotificationListener>>>,
    seat: Seat,
}

/// The longest pause of an idle worker before it looks again. It is notified of what is pushed and what goes
/// back, but not of what is due later, or again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What apalis 1.0.0 writes by `queries::handle_results`, but for attempts that are still ours, or were ended
/// like this before. In the order of their ids, as everybody locks them who locks several.
const RESULTS: &str = "WITH ended AS (\
        SELECT * FROM unnest($2::text[], $3::int[], $4::text[], $5::text[]) \
        AS ended (id, attempts, status, result)\
    ), locked AS (\
        SELECT jobs.id, ended.attempts, ended.status, ended.result \
        FROM apalis.jobs AS jobs JOIN ended ON ended.id = jobs.id \
        WHERE jobs.lock_by = $1 AND (\
            jobs.status IN ('Queued', 'Running') AND jobs.attempts = ended.attempts - 1 \
            OR jobs.status = ended.status AND jobs.attempts = ended.attempts) \
        ORDER BY jobs.id FOR UPDATE OF jobs\
    ) UPDATE apalis.jobs AS jobs \
    SET status = locked.status, attempts = locked.attempts, last_result = locked.result::jsonb, done_at = now() \
    FROM locked WHERE jobs.id = locked.id RETURNING jobs.id, jobs.attempts";

/// What apalis 1.0.0 writes by `queries::reenqueue_abandoned`, for certain attempts. Workers are
/// notified as they are of new jobs.
const BACK: &str = "WITH given AS (UPDATE apalis.jobs AS jobs \
    SET status = 'Pending', attempts = jobs.attempts + 1, lock_by = NULL, lock_at = NULL, done_at = NULL, \
    last_result = '{\"Err\": \"Re-enqueued due to worker shutdown\"}'::jsonb \
    FROM unnest($2::text[], $3::int[]) AS back (id, attempts) \
    WHERE jobs.id = back.id AND jobs.attempts = back.attempts \
    AND jobs.lock_by = $1 AND jobs.status IN ('Queued', 'Running') \
    RETURNING jobs.id, jobs.job_type, jobs.run_at) \
    SELECT count(pg_notify('apalis::job::insert', \
    json_build_object('job_type', job_type, 'id', id, 'run_at', run_at)::text)) FROM given";

/// Which of these the database believes to be a worker's.
const STILL_OURS: &str = "SELECT id, attempts FROM apalis.jobs \
    WHERE id = ANY($2) AND lock_by = $1 AND status = 'Queued'";

/// All that the database believes to be a worker's. It looks at all that the worker has ever done and that is
/// still in the table.
const OURS: &str = "SELECT id, attempts FROM apalis.jobs WHERE lock_by = $1 AND status = 'Queued'";

impl ApalisPostgres {
    /// Jobs that were pushed to `queue`.
    pub fn new(pool: &PgPool, queue: &str) -> ApalisPostgres {
        ApalisPostgres {
            // To ask about leases, give back, look for unknown jobs, listen; and where the application has
            // none to take and to settle.
            own: Own::beside(pool, 6),
            listener: Mutex::default(),
            seat: Seat::new(queue, LONGEST_PAUSE),
        }
    }

    /// How long the jobs of a worker that is not heard of any more stay its own, in whole seconds.
    /// Default: 15 s. At least 3 s. A heartbeat comes three times as often, on a connection of the
    /// worker's own.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.seat.set_lease(lease);
        self
    }

    /// How soon a worker that has found no more jobs looks again without having been notified.
    /// Default: 100 ms. The pauses double from then on, up to
    /// [`poll_at_least_every`](ApalisPostgres::poll_at_least_every).
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.seat.pace.set_shortest(pause);
        self
    }

    /// The longest pause of an idle worker. Default: 1 s. Not less than
    /// [`poll_every`](ApalisPostgres::poll_every). PostgreSQL notifies workers of what is pushed and what
    /// goes back; what has failed elsewhere, becomes due or was left by a worker that is gone may wait that
    /// long, and behind a pooler that passes no notifications on (PgBouncer by transaction) everything may.
    pub fn poll_at_least_every(mut self, pause: Duration) -> Self {
        self.seat.pace.set_longest(pause);
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

    /// A session, the application's if it has one, on which each statement is committed by itself. sqlx 0.9.0 leaves one whose `begin` was
    /// cancelled, by whomever, in a transaction, and has it go back to the pool like that (sqlx#4385):
    /// what is written there is seen by nobody, and gone when the session ends. It is committed here, since
    /// whoever has written there since was told that it is.
    async fn session(&self) -> Result<StorageSession<Postgres>, BoxError> {
        let mut session = self.own.either(self.seat.answer()).await?;
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
    async fn write(&self, results: Vec<EndedAttempt<'_>>) -> Result<Vec<Settled>, BoxError> {
        let _turn = self.seat.turn.lock().await;
        // No transaction: one statement is one already, and its two extra round trips would
        // be most of the time that an acknowledgement takes.
        let mut session = self.session().await?;
        let rows = results.iter();
        let rows: Vec<_> = rows
            .map(|it| (it.it.id.to_string(), it.it.attempts_after()))
            .collect();
        let (ids, attempts): (Vec<String>, Vec<i32>) = rows.iter().cloned().unzip();
        let statuses: Vec<&str> = results.iter().map(|it| it.status).collect();
        let texts: Vec<&str> = results.iter().map(|it| it.result.as_str()).collect();
        let written = async {
            let written: Vec<(String, i32)> = sqlx::query_as(RESULTS)
                .bind(self.seat.worker.name())
                .bind(&ids)
                .bind(&attempts)
                .bind(&statuses)
                .bind(&texts)
                .fetch_all(&mut *session)
                .await?;
            Ok(written)
        };
        let written = within(self.seat.lease, written).await?;
        let written: HashSet<_> = session.answered(written).into_iter().collect();
        let settled = rows.iter().map(|row| match written.contains(row) {
            true => Settled::Ours,
            false => Settled::NotOurs,
        });
        Ok(settled.collect())
    }

    /// Gives back jobs of ours, those of them that still are; says how many.
    async fn put_back(&self, them: Vec<(String, i32)>) -> Result<usize, BoxError> {
        let (ids, attempts): (Vec<String>, Vec<i32>) = them.into_iter().unzip();
        let mut session = self.own.session(self.seat.answer()).await?;
        let back = sqlx::query_scalar(BACK)
            .bind(self.seat.worker.name())
            .bind(&ids)
            .bind(&attempts);
        let given: i64 = back.fetch_one(&mut *session).await?;
        Ok(session.answered(usize::try_from(given)?))
    }

    fn listener(&self) -> MutexGuard<'_, Option<Arc<NotificationListener>>> {
        self.listener.lock().unwrap_or_else(|e| e.into_inner())
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
        let (queue, worker) = (&self.seat.queue, &self.seat.worker);
        let opened = async {
            let mut session = self.own.session(self.seat.answer()).await?;
            if queries::keep_alive(&mut *session, queue, worker)
                .await
                .is_err()
            {
                sqlx::query(
                    "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen) \
                     VALUES ($1, $2, 'lameduck', '', now()) ON CONFLICT (id) DO NOTHING",
                )
                .bind(worker.name())
                .bind(queue)
                .execute(&mut *session)
                .await?;
            }
            self.take_over_from_the_dead(&mut session).await?;
            session.answered(());
            Ok(())
        };
        within(self.seat.lease, opened).await?;
        self.listener()
            .get_or_insert_with(|| Arc::new(NotificationListener::start(self.own.pool(), queue)));
        Ok(())
    }

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        let listener = self.listener().clone().ok_or("not open")?;
        tokio::select! {
            () = listener.heard() => {}
            () = self.seat.pace.pause() => {}
        }
        Ok(())
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<Fetched>>, BoxError> {
        let config = Config::default().queue(&self.seat.queue).batch_size(most);
        let mut session = self.session().await?;
        let tasks = queries::fetch_next(&mut *session, &config, &self.seat.worker).await?;
        self.seat.pace.found(tasks.len());
        let taken = tasks.into_iter().filter_map(seat::taken);
        Ok(session.answered(taken.collect()))
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
        within(self.seat.answer(), self.put_back(seat::rows(them))).await?;
        Ok(())
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.seat.lease)
    }

    async fn keep(&self, them: &[&Fetched]) -> Result<Lost, BoxError> {
        let kept = async {
            let mut session = self.own.session(self.seat.answer()).await?;
            queries::keep_alive(&mut *session, &self.seat.queue, &self.seat.worker).await?;
            self.take_over_from_the_dead(&mut session).await?;
            let ids: Vec<String> = them.iter().map(|it| it.id.to_string()).collect();
            let ours: Vec<(String, i32)> = sqlx::query_as(STILL_OURS)
                .bind(self.seat.worker.name())
                .bind(&ids)
                .fetch_all(&mut *session)
                .await?;
            let ours = session.answered(ours).into_iter().collect();
            Ok(seat::lost(them, &ours))
        };
        within(self.seat.answer(), kept).await
    }

    fn same_job(&self, one: &Fetched, other: &Fetched) -> bool {
        one.id == other.id
    }

    async fn give_back_unknown(&self, known: &[&Fetched]) -> Result<usize, BoxError> {
        let given = async {
            let mut session = self.own.session(self.seat.answer()).await?;
            let ours = sqlx::query_as(OURS).bind(self.seat.worker.name());
            let ours: Vec<(String, i32)> = ours.fetch_all(&mut *session).await?;
            let mut unknown = session.answered(ours);
            let known: HashSet<_> = seat::rows(known).into_iter().collect();
            unknown.retain(|it| !known.contains(it));
            match unknown.is_empty() {
                true => Ok(0),
                false => self.put_back(unknown).await,
            }
        };
        // Not in a hurry, and perhaps with many to look at.
        within(self.seat.lease, given).await
    }

    async fn end(&self) {
        self.own.close().await;
    }
}
