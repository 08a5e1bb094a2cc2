//! Who works on a storage of `apalis`, and what it knows its tasks by.

use std::collections::HashSet;
use std::time::Duration;

use apalis_core::backend::TaskResult;
use apalis_core::task::status::Status;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use bytes::Bytes;
use tokio::sync::Mutex;

use crate::jobs::queue::{Lost, Taken};

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
    pub(super) poll: Duration,
    /// To be had while results are written. So a worker takes one session of its pool for that, and
    /// does not wait for its own locks.
    pub(super) turn: Mutex<()>,
}

impl Seat {
    const LEASE: Duration = Duration::from_secs(15);
    const POLL: Duration = Duration::from_millis(100);

    /// A worker of its own, whose name no other has.
    pub(super) fn new(queue: &str) -> Seat {
        let id = TaskId::from_ulid(ulid::Ulid::generate());
        Seat {
            queue: queue.to_owned(),
            worker: WorkerContext::new(&format!("{queue}-{id}")),
            lease: Seat::LEASE,
            poll: Seat::POLL,
            turn: Mutex::new(()),
        }
    }

    pub(super) fn set_lease(&mut self, lease: Duration) {
        // Whole seconds are all that the storages know; with less than three a heartbeat that is
        // on time could look late.
        self.lease = lease.max(Duration::from_secs(3));
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.lease / 3
    }
}

impl Fetched {
    pub(super) fn done(&self) -> TaskResult<serde_json::Value> {
        TaskResult {
            task_id: self.id.clone(),
            attempt: self.attempt,
            status: Status::Done,
            result: Ok(serde_json::Value::Null),
        }
    }

    pub(super) fn failed(&self, why: &str) -> TaskResult<serde_json::Value> {
        TaskResult {
            task_id: self.id.clone(),
            attempt: self.attempt,
            status: Status::Failed,
            result: Err(why.to_owned()),
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
    })
}

/// Those of `them` that are not among `ours`.
pub(super) fn lost(them: &[&Fetched], ours: &HashSet<String>) -> Lost {
    let lost = them
        .iter()
        .enumerate()
        .filter(|(_, it)| !ours.contains(&it.id.to_string()));
    Lost(lost.map(|(at, _)| at).collect())
}
