//! Jobs in Redis, in the keys of `apalis-redis`.
//!
//! Of the scripts of `apalis-redis` only those that push and fetch are public, and the one that
//! fetches loses sight of jobs whose answer is lost on the way. So the scripts here are our own, on
//! the same keys.
//!
//! # What must hold
//!
//! 1. A job is in exactly one place: waiting, scheduled, in the set of one worker, done or dead. Each
//!    script moves it from one to another, or finds it gone and says so.
//! 2. What is in a worker's set is held by a lease, or given back when the worker asks for that
//!    ([`Queue::give_back_unknown`]).
//! 3. A worker that has been taken for dead comes back under a new name, so that the jobs it lost
//!    cannot be mistaken for jobs it has.
//! 4. Each job counts how often it was handed out, and what is said of one attempt has no effect on
//!    another.

mod scripts;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use apalis_redis::{Config, queries};
use bytes::Bytes;
use futures_util::future::join_all;
use redis::aio::ConnectionLike;
use serde::Serialize;

use self::scripts::{FETCH, HEARTBEAT, PUT_BACK, PUT_BACK_UNKNOWN, REGISTER, SETTLE};
use lameduck_core::BoxError;
use lameduck_jobs::adapter::{PollInterval, polling};
use lameduck_jobs::{Lost, Queue, Settled, Taken};

/// A queue in the keys of `apalis-redis`. Several processes may work on it at the same time.
///
/// - **Connection.** One that connects again by itself, such as `redis::aio::ConnectionManager`; it is
///   yours to close, after the worker has ended.
/// - **A failed job** comes again after as many seconds as it has failed times, until it has failed
///   `max_attempts` times (25 unless the task says otherwise); then it is in the set of dead jobs.
/// - **Durability** is that of the server: without `appendonly yes`, or with a replica that takes over,
///   Redis may forget jobs that it has accepted.
pub struct ApalisRedis<C> {
    connection: C,
    config: Config,
    queue: String,
    lease: Duration,
    pace: PollInterval,
    here: Mutex<Option<Arc<Registration>>>,
}

/// The longest pause of an idle worker before it looks again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

const TAKEN_FOR_DEAD: &str =
    "this worker was not heard of for the time of its lease, and taken for dead";

/// A worker as Redis knows it.
struct Registration {
    name: String,
    /// The key of what it holds.
    set: String,
}

impl<C> ApalisRedis<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// Jobs that were pushed to `queue`.
    pub fn new(connection: &C, queue: &str) -> ApalisRedis<C> {
        ApalisRedis {
            connection: connection.clone(),
            config: Config::default().queue(queue),
            queue: queue.to_owned(),
            lease: Duration::from_secs(15),
            pace: PollInterval::new(queue, LONGEST_PAUSE),
            here: Mutex::new(None),
        }
    }

    /// How long the jobs of a worker that is not heard of any more stay its own. Default: 15 s,
    /// at least 3 s. A heartbeat comes three times as often. All workers of the queue should have
    /// the same, those of `apalis` too (`heartbeat_interval` times `missed_heartbeats`).
    pub fn lease(mut self, lease: Duration) -> Self {
        // Whole seconds are all that the storage knows; with less than three a heartbeat that is on
        // time could look late.
        self.lease = lease.max(Duration::from_secs(3));
        self
    }

    /// How soon a worker that has found no more jobs looks again. Default: 100 ms. The pauses
    /// double from then on, up to [`poll_at_least_every`](ApalisRedis::poll_at_least_every).
    /// A push in the same process is noticed after this time, however long the worker has been idle.
    pub fn poll_every(mut self, pause: Duration) -> Self {
        self.pace.set_shortest(pause);
        self
    }

    /// The longest pause of an idle worker. Default: 500 ms. Not less than
    /// [`poll_every`](ApalisRedis::poll_every). Jobs that another process pushes or gives back may wait
    /// that long.
    pub fn poll_at_least_every(mut self, pause: Duration) -> Self {
        self.pace.set_longest(pause);
        self
    }

    /// Pushes a job, as JSON.
    ///
    /// # Errors
    ///
    /// When `job` cannot be written as JSON, or Redis refuses. After an error of the connection the
    /// job may have been pushed all the same.
    pub async fn push(
        connection: &C,
        queue: &str,
        job: &(impl Serialize + Sync),
    ) -> Result<(), BoxError> {
        let id = TaskId::from_ulid(ulid::Ulid::generate());
        let task = TaskBuilder::new(serde_json::to_vec(job)?)
            .task_id(id)
            .build();
        let config = Config::default().queue(queue);
        queries::push_tasks(&mut connection.clone(), &config, &[task]).await?;
        polling::tell(queue);
        Ok(())
    }

    fn here(&self) -> MutexGuard<'_, Option<Arc<Registration>>> {
        self.here.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn registration(&self) -> Result<Arc<Registration>, BoxError> {
        let here = self.here().clone();
        here.ok_or_else(|| TAKEN_FOR_DEAD.into())
    }

    /// Says that the worker is there, and has the jobs of those that are gone handed out again.
    /// False if it has been taken for dead itself.
    async fn heartbeat(&self, it: &Registration) -> Result<bool, BoxError> {
        let known: bool = HEARTBEAT
            .key(self.config.workers_set())
            .key(self.config.active_jobs_list())
            .key(self.config.signal_list())
            .key(self.config.inflight_jobs_set())
            .key(self.config.job_meta_hash())
            .arg(&it.name)
            .arg(self.lease.as_secs())
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(known)
    }

    async fn register(&self) -> Result<Arc<Registration>, BoxError> {
        let name = format!("{}-{}", self.queue, ulid::Ulid::generate());
        let worker = WorkerContext::new(&name);
        let it = Arc::new(Registration {
            set: self.config.inflight_set_for(&worker),
            name,
        });
        let () = REGISTER
            .key(self.config.workers_set())
            .key(self.config.worker_metadata_key(&worker))
            .arg(&it.name)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(it)
    }

    /// Gives back those of `leases` that `it` has.
    async fn put_back(
        &self,
        it: &Registration,
        leases: &[&ApalisRedisLease],
    ) -> Result<(), BoxError> {
        let mut call = PUT_BACK.key(&it.set);
        call.key(self.config.active_jobs_list())
            .key(self.config.signal_list())
            .key(self.config.job_meta_hash());
        for lease in leases {
            call.arg(&lease.id).arg(lease.attempt);
        }
        let () = call.invoke_async(&mut self.connection.clone()).await?;
        polling::tell(&self.queue);
        Ok(())
    }

    /// Moves a job out of the worker's set, to where `result` says.
    async fn settle(
        &self,
        lease: &ApalisRedisLease,
        status: &str,
        result: &serde_json::Value,
    ) -> Result<Settled, BoxError> {
        let ours: bool = SETTLE
            .key(&lease.by.set)
            .key(self.config.done_jobs_set())
            .key(self.config.dead_jobs_set())
            .key(self.config.scheduled_jobs_set())
            .key(self.config.job_meta_hash())
            .arg(&lease.id)
            .arg(&lease.by.name)
            .arg(status)
            .arg(result.to_string())
            .arg(lease.attempt)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(if ours {
            Settled::Ours
        } else {
            Settled::NotOurs
        })
    }
}

impl<C> fmt::Debug for ApalisRedis<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApalisRedis")
            .field("queue", &self.queue)
            .field("lease", &self.lease)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

impl<C> Queue for ApalisRedis<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    type Lease = ApalisRedisLease;

    async fn open(&self, _most: usize) -> Result<(), BoxError> {
        let here = self.here().clone();
        if let Some(it) = here
            && self.heartbeat(&it).await?
        {
            return Ok(());
        }
        let it = self.register().await?;
        *self.here() = Some(it);
        Ok(())
    }

    async fn ready(&self, _most: usize) -> Result<(), BoxError> {
        self.pace.pause().await;
        Ok(())
    }

    async fn take(&self, most: usize) -> Result<Vec<Taken<ApalisRedisLease>>, BoxError> {
        let by = self.registration()?;
        let fetched: Option<Vec<(String, Vec<u8>, u32)>> = FETCH
            .key(self.config.workers_set())
            .key(self.config.active_jobs_list())
            .key(&by.set)
            .key(self.config.job_data_hash())
            .key(self.config.job_meta_hash())
            .key(self.config.scheduled_jobs_set())
            .arg(&by.name)
            .arg(most)
            .invoke_async(&mut self.connection.clone())
            .await?;
        let Some(fetched) = fetched else {
            *self.here() = None;
            return Err(TAKEN_FOR_DEAD.into());
        };
        self.pace.found(fetched.len());
        let taken = fetched.into_iter().map(|(id, payload, attempt)| {
            let by = by.clone();
            Taken {
                id: id.clone(),
                attempt,
                payload: Bytes::from(payload),
                lease: ApalisRedisLease { id, attempt, by },
                lease_age: Duration::ZERO,
            }
        });
        Ok(taken.collect())
    }

    async fn done(&self, leases: &[&ApalisRedisLease]) -> Vec<Result<Settled, BoxError>> {
        let result = serde_json::json!({ "Ok": null });
        let settled = leases
            .iter()
            .map(|lease| self.settle(lease, "Done", &result));
        join_all(settled).await
    }

    async fn failed(&self, lease: &ApalisRedisLease, why: &str) -> Result<Settled, BoxError> {
        self.settle(lease, "Failed", &serde_json::json!({ "Err": why }))
            .await
    }

    async fn give_back(&self, leases: &[&ApalisRedisLease]) -> Result<(), BoxError> {
        for it in registrations(leases) {
            let its = leases.iter().filter(|lease| Arc::ptr_eq(&lease.by, &it));
            let its: Vec<&ApalisRedisLease> = its.copied().collect();
            self.put_back(&it, &its).await?;
        }
        Ok(())
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.lease)
    }

    async fn keep(&self, leases: &[&ApalisRedisLease]) -> Result<Lost, BoxError> {
        let mut all = registrations(leases);
        let here = self.here().clone();
        if let Some(here) = here
            && !all.iter().any(|it| Arc::ptr_eq(it, &here))
        {
            all.push(here);
        }
        let mut gone = Vec::new();
        let mut failure = None;
        for it in all {
            match self.heartbeat(&it).await {
                Ok(true) => {}
                Ok(false) => gone.push(it),
                Err(error) => failure = Some(error),
            }
        }
        for it in &gone {
            // The next `take` fails and has us register anew.
            self.here().take_if(|here| Arc::ptr_eq(here, it));
        }
        let is_gone = |lease: &ApalisRedisLease| gone.iter().any(|it| Arc::ptr_eq(it, &lease.by));
        let lost = leases
            .iter()
            .enumerate()
            .filter(|(_, lease)| is_gone(lease));
        let lost: Vec<usize> = lost.map(|(position, _)| position).collect();
        match failure {
            // To be tried again; those that are lost by now still are then.
            Some(error) => Err(error),
            None => Ok(Lost(lost)),
        }
    }

    fn same_job(&self, one: &ApalisRedisLease, other: &ApalisRedisLease) -> bool {
        one.id == other.id
    }

    async fn give_back_unknown(&self, known: &[&ApalisRedisLease]) -> Result<usize, BoxError> {
        // What an earlier registration had goes back when that is not heard of any more.
        let Some(it) = self.here().clone() else {
            return Ok(0);
        };
        let mut call = PUT_BACK_UNKNOWN.key(&it.set);
        call.key(self.config.active_jobs_list())
            .key(self.config.signal_list())
            .key(self.config.job_meta_hash());
        for lease in known {
            call.arg(&lease.id).arg(lease.attempt);
        }
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }
}

/// The workers that these belong to: one, except after it was taken for dead.
fn registrations(leases: &[&ApalisRedisLease]) -> Vec<Arc<Registration>> {
    let mut all: Vec<Arc<Registration>> = Vec::new();
    for lease in leases {
        if !all.iter().any(|it| Arc::ptr_eq(it, &lease.by)) {
            all.push(lease.by.clone());
        }
    }
    all
}

/// A job that a worker has fetched.
pub struct ApalisRedisLease {
    id: String,
    /// How often it had been handed out, this time included.
    attempt: u32,
    by: Arc<Registration>,
}

impl fmt::Debug for ApalisRedisLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApalisRedisLease")
            .field("id", &self.id)
            .field("worker", &self.by.name)
            .finish_non_exhaustive()
    }
}
