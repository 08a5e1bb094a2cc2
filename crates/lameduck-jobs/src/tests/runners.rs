//! Which job runs when, and what a job does to those after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::memory_queue::{MemoryQueue, QueueTold};
use super::{for_seconds, shut_down};
use lameduck_core::BoxError;

use crate::{Job, Jobs, Outcome};
use lameduck_core::{Exit, Lifecycle};

#[tokio::test(start_paused = true)]
async fn as_many_run_as_may_however_they_come() {
    let memory_queue = MemoryQueue::with(1);
    let jobs =
        Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(100, job)).concurrency(5);
    let ledger = async |handle: lameduck_core::Handle| {
        // One by one, the last two while the five are at it.
        for jobs in 1..=7_usize {
            sleep(Duration::from_secs(1)).await;
            assert_eq!(handle.ledger().len(), jobs.min(5));
            memory_queue.add(jobs);
        }
        sleep(Duration::from_secs(1)).await;
    };
    let (exit, _) = shut_down(jobs, ledger).await;
    assert_eq!(exit.code(), 124);
    assert_eq!(
        memory_queue.told(QueueTold::Back),
        (0..8).collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_cancelled_job_is_free_for_the_next() {
    let memory_queue = MemoryQueue::with(2);
    let jobs = Jobs::raw(
        "test",
        memory_queue.clone(),
        |payload: Bytes, job: Job| async move {
            match &*payload {
                b"0" => std::future::pending().await,
                _ => for_seconds(1, job).await,
            }
        },
    )
    .concurrency(1);
    let inner = memory_queue.inner.clone();
    let lose = async move |_| {
        sleep(Duration::from_millis(1_500)).await;
        inner.lost.lock().unwrap().push(0);
        // Seen to at the second, and then the other one runs.
        sleep(Duration::from_secs(2)).await;
    };
    let (exit, _) = shut_down(jobs, lose).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Done), [1]);
    assert_eq!(
        memory_queue.times(QueueTold::Done),
        [Duration::from_secs(3)]
    );
    assert_eq!(memory_queue.told(QueueTold::Back), [] as [usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_not_done_takes_no_place_while_its_queue_is_told() {
    let memory_queue = MemoryQueue::with(4);
    *memory_queue.inner.slow_settle.lock().unwrap() = Duration::from_secs(10);
    let jobs = Jobs::raw(
        "test",
        memory_queue.clone(),
        |payload: Bytes, _| async move {
            match &*payload {
                b"0" => Err(BoxError::from("no")),
                b"1" => panic!("never"),
                b"2" => Ok(Outcome::GiveBack),
                _ => Ok(Outcome::Done),
            }
        },
    )
    .concurrency(1)
    // All are taken at once, so that nothing that comes later helps on those that wait.
    .prefetch(3);
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(11)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Failed), [0, 1]);
    assert_eq!(
        memory_queue.times(QueueTold::Failed),
        [Duration::from_secs(10); 2]
    );
    assert_eq!(
        memory_queue.times(QueueTold::Back),
        [Duration::from_millis(10)]
    );
    assert_eq!(
        memory_queue.times(QueueTold::Done),
        [Duration::from_secs(10)]
    );
}

/// Panics when it is dropped.
struct Touchy;

impl Drop for Touchy {
    fn drop(&mut self) {
        panic!("do not touch");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_wherever_it_can_has_failed_and_the_worker_goes_on() {
    let memory_queue = MemoryQueue::with(4);
    let jobs = Jobs::raw("test", memory_queue.clone(), |payload: Bytes, job: Job| {
        if payload == "0" {
            panic!("before there is a future");
        }
        // Moved into the future and dropped after what it returns.
        let touchy = (payload == "1" || payload == "2").then(|| Touchy);
        async move {
            let _touchy = touchy;
            match &*payload {
                b"2" => std::future::pending().await,
                _ => for_seconds(1, job).await,
            }
        }
    })
    .concurrency(1);
    let inner = memory_queue.inner.clone();
    let lose = async move |_| {
        sleep(Duration::from_millis(2_500)).await;
        inner.lost.lock().unwrap().push(2);
        sleep(Duration::from_secs(2)).await;
    };
    let (exit, _) = shut_down(jobs, lose).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Failed), [0, 1]);
    assert_eq!(memory_queue.told(QueueTold::Done), [3]);
    assert_eq!(
        memory_queue.times(QueueTold::Done),
        [Duration::from_secs(4)]
    );
}

/// Whichever way runners and jobs meet: each job runs once, and none is left lying while a runner has
/// nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_job_is_forgotten_or_run_twice_on_many_threads() {
    const JOBS: usize = 20_000;
    let memory_queue = MemoryQueue::with(0);
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..JOBS).map(|_| AtomicUsize::new(0)).collect());
    let counted = runs.clone();
    let jobs = Jobs::new("test", memory_queue.clone(), move |n: usize, _| {
        counted[n].fetch_add(1, Ordering::Relaxed);
        async move {
            match n % 7 {
                0 => tokio::task::yield_now().await,
                1 => sleep(Duration::from_micros((n % 300) as u64)).await,
                2 if n.is_multiple_of(5) => return Err(BoxError::from("no")),
                _ => {}
            }
            Ok(())
        }
    })
    .concurrency(6);
    let life = Lifecycle::embedded().component(jobs);
    let handle = life.handle();
    let ended = tokio::spawn(life.run());
    let all = async {
        let mut n = 0;
        while n < JOBS {
            for _ in 0..(n % 23 + 1).min(JOBS - n) {
                memory_queue.add(n);
                n += 1;
            }
            // Now and then the worker runs dry.
            while n % 11 == 0 && memory_queue.settled() < n {
                tokio::task::yield_now().await;
            }
        }
        while memory_queue.settled() < JOBS {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), all)
        .await
        .expect("a job was left lying");
    handle.shutdown("test");
    assert_eq!(ended.await.unwrap(), Exit::CLEAN);
    assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
}
