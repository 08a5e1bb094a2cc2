//! Who works on a storage of `apalis`, and what it knows its tasks by.

use std::collections::HashSet;
use std::time::Duration;

use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use bytes::Bytes;
use tokio::sync::Mutex;

use lameduck_jobs::adapter::PollInterval;
use lameduck_jobs::{Lost, Taken};

/// What a fetched task is settled by.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub(super) id: TaskId,
    /// How often it has been tried, this time included.
    attempt: usize,
}

/// What all storages have in common: who works here, and how often it looks and says so.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) queue: String,
    pub(super) worker: WorkerContext,
    pub(super) lease: Duration,
    pub(super) pace: PollInterval,
    /// To be had while results are written. So a worker takes one session of its pool for that, and
    /// does not wait for its own locks.
    pub(super) turn: Mutex<()>,
}

impl Seat {
    const LEASE: Duration = Duration::from_secs(15);

    /// A worker of its own, whose name no other has.
    /// When it has nothing to do it looks after pauses of up to `longest`.
    pub(super) fn new(queue: &str, longest: Duration) -> Seat {
        let id = TaskId::from_ulid(ulid::Ulid::generate());
        Seat {
            queue: queue.to_owned(),
            worker: WorkerContext::new(&format!("{queue}-{id}")),
            lease: Seat::LEASE,
            pace: PollInterval::new(queue, longest),
            turn: Mutex::new(()),
        }
    }

    /// The longest that the database may take to answer about leases: there is time to ask again.
    pub(super) fn answer(&self) -> Duration {
        self.lease / 3
    }

    pub(super) fn set_lease(&mut self, lease: Duration) {
        // Whole seconds are all that the storages know; with less than three a heartbeat that is
        // on time could look late.
        self.lease = Duration::from_secs(lease.as_millis().div_ceil(1_000).max(3) as u64);
    }
}

impl Fetched {
    /// The attempts that its row has while it is ours. Everything that happens to a job counts as one, so
    /// no later attempt has the same.
    pub(super) fn attempts_before(&self) -> i32 {
        i32::try_from(self.attempt - 1).unwrap_or(i32::MAX)
    }

    /// The attempts that its row has when it has been settled.
    pub(super) fn attempts_after(&self) -> i32 {
        i32::try_from(self.attempt).unwrap_or(i32::MAX)
    }
}

/// How a job has ended, as the storages write it down.
pub(super) struct EndedAttempt<'a> {
    pub(super) it: &'a Fetched,
    pub(super) status: &'static str,
    /// In JSON.
    pub(super) result: String,
}

impl<'a> EndedAttempt<'a> {
    pub(super) fn done(it: &'a Fetched) -> EndedAttempt<'a> {
        EndedAttempt {
            it,
            status: "Done",
            result: r#"{"Ok": null}"#.to_owned(),
        }
    }

    pub(super) fn failed(it: &'a Fetched, why: &str) -> EndedAttempt<'a> {
        EndedAttempt {
            it,
            status: "Failed",
            result: serde_json::json!({ "Err": why }).to_string(),
        }
    }
}

/// A task as the worker knows it. `None` for one without an id, which no storage hands out.
pub(super) fn taken(task: apalis_core::task::Task<Vec<u8>>) -> Option<Taken<Fetched>> {
    let id = task.task_id()?.clone();
    let attempt = task.attempt() + 1;
    Some(Taken {
        id: id.to_string(),
        attempt: attempt.try_into().unwrap_or(u32::MAX),
        lease: Fetched { id, attempt },
        payload: Bytes::from(task.args),
        lease_age: Duration::ZERO,
    })
}

/// The rows of these while they are ours, by id and attempts.
pub(super) fn rows(them: &[&Fetched]) -> Vec<(String, i32)> {
    let rows = them.iter();
    rows.map(|it| (it.id.to_string(), it.attempts_before()))
        .collect()
}

/// Those of `them` that are not among `ours`.
pub(super) fn lost(them: &[&Fetched], ours: &HashSet<(String, i32)>) -> Lost {
    let rows = rows(them);
    let lost = rows.iter().enumerate().filter(|(_, it)| !ours.contains(it));
    Lost(lost.map(|(at, _)| at).collect())
}
