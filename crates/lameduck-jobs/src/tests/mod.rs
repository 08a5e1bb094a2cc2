//! Whole lives of workers under a paused clock, on a queue in memory.

mod leases;
mod memory_queue;
mod runners;
mod shutdown;
mod telling;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Job, Jobs, Queue};
use lameduck_core::BoxError;
use lameduck_core::{Exit, Handle, Lifecycle};

/// Runs a lifecycle of 30 s with these jobs, and begins its shutdown when `when` says so.
async fn shut_down<Q: Queue>(jobs: Jobs<Q>, when: impl AsyncFnOnce(Handle)) -> (Exit, Duration) {
    let life = Lifecycle::embedded().component(jobs);
    let handle = life.handle();
    let ended = tokio::spawn(life.run());
    when(handle.clone()).await;
    let began = Instant::now();
    handle.shutdown("test");
    let exit = timeout(Duration::from_secs(60), ended)
        .await
        .unwrap()
        .unwrap();
    (exit, began.elapsed())
}

async fn for_seconds(seconds: u64, _job: Job) -> Result<(), BoxError> {
    sleep(Duration::from_secs(seconds)).await;
    Ok(())
}
