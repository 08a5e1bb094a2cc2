//! What becomes of jobs in a shutdown.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::memory_queue::{MemoryQueue, QueueTold};
use super::{for_seconds, shut_down};
use lameduck_core::BoxError;

use crate::{Job, Jobs, Outcome};
use lameduck_core::{Exit, Lifecycle};

#[tokio::test(start_paused = true)]
async fn jobs_accounted_when_all_finish_in_time() {
    let memory_queue = MemoryQueue::with(100);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(5, job))
        .concurrency(10)
        .prefetch(5);
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_secs(12)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(took, Duration::from_secs(3));
    assert_eq!(
        memory_queue.told(QueueTold::Done),
        (0..30).collect::<Vec<_>>()
    );
    assert_eq!(
        memory_queue.told(QueueTold::Back),
        (30..35).collect::<Vec<_>>(),
        "fetched ahead"
    );
    assert_eq!(memory_queue.told(QueueTold::Closed), [0]);
    assert_eq!(
        memory_queue.times(QueueTold::Back),
        [Duration::from_millis(12_010); 5],
        "at once"
    );
    assert_eq!(memory_queue.inner.most_held.load(Ordering::Relaxed), 15);
}

#[tokio::test(start_paused = true)]
async fn jobs_accounted_when_they_are_let_go() {
    let memory_queue = MemoryQueue::with(3);
    let jobs = Jobs::raw(
        "test",
        memory_queue.clone(),
        |payload: Bytes, job| async move {
            let job_takes = if payload == "1" { 20 } else { 90 };
            for_seconds(job_takes, job).await
        },
    );
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit.code(), 124);
    assert_eq!(memory_queue.told(QueueTold::Done), [1]);
    assert_eq!(memory_queue.told(QueueTold::Back), [0, 2]);
    assert_eq!(
        memory_queue.times(QueueTold::Back),
        [Duration::from_millis(25_010); 2],
        "at the end of the drain"
    );
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(
        memory_queue.told(QueueTold::Kept).len() > 60,
        "leases are kept throughout the drain"
    );
}

#[tokio::test(start_paused = true)]
async fn jobs_accounted_that_were_being_taken_when_the_shutdown_began() {
    let memory_queue = MemoryQueue::with(4);
    *memory_queue.inner.slow_take.lock().unwrap() = Duration::from_secs(2);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Taken), [0, 1, 2, 3]);
    assert_eq!(memory_queue.told(QueueTold::Back), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn no_job_starts_after_the_one_that_began_the_shutdown() {
    let memory_queue = MemoryQueue::with(3);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job: Job| async move {
        job.handle().shutdown("one is enough");
        Ok::<_, BoxError>(())
    })
    .concurrency(1)
    .prefetch(2);
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
    assert_eq!(memory_queue.told(QueueTold::Back), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_long_job_checkpoints_when_the_shutdown_begins() {
    let memory_queue = MemoryQueue::with(1);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job: Job| async move {
        assert_eq!(job.deadline(), None);
        job.until_shutdown().await;
        assert_eq!(job.time_left(), Some(Duration::from_secs(24)));
        Ok::<_, BoxError>(Outcome::GiveBack)
    });
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(took, Duration::from_millis(10));
    assert_eq!(memory_queue.told(QueueTold::Back), [0]);
}

#[tokio::test(start_paused = true)]
async fn failures_panics_and_payloads_that_cannot_be_read_are_the_queues_to_retry() {
    let memory_queue = MemoryQueue::with(3);
    let jobs = Jobs::new("test", memory_queue.clone(), |n: u64, _job| async move {
        match n {
            0 => Err(BoxError::from("no")),
            1 => panic!("never"),
            _ => Ok(()),
        }
    });
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Failed), [0, 1]);
    assert_eq!(memory_queue.told(QueueTold::Done), [2]);

    let memory_queue = MemoryQueue::with(1);
    let jobs = Jobs::new("test", memory_queue.clone(), |_: String, _| async {
        Ok::<_, BoxError>(())
    });
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Failed), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_lease_is_lost_is_cancelled_and_left_to_its_new_owner() {
    let memory_queue = MemoryQueue::with(2);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(10, job));
    let inner = memory_queue.inner.clone();
    let lose = async move |_| {
        sleep(Duration::from_secs(2)).await;
        inner.lost.lock().unwrap().push(1);
    };
    let (exit, _) = shut_down(jobs, lose).await;
    assert_eq!(exit.code(), 124, "a lease lost during the shutdown is told");
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
    assert_eq!(memory_queue.told(QueueTold::Back), [] as [usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn db_closed_after_the_lease_that_is_being_kept() {
    let memory_queue = MemoryQueue::with(1);
    *memory_queue.inner.slow_keep.lock().unwrap() = Duration::from_millis(700);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, _| async {
        sleep(Duration::from_millis(1_200)).await;
        Ok::<_, BoxError>(())
    });
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_millis(1_100)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Kept), [0]);
    assert_eq!(
        memory_queue.told(QueueTold::KeepAnswered),
        [1],
        "it was not broken off"
    );
    assert_eq!(took, Duration::from_millis(600));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_answer_about_leases_holds_nobody_up() {
    let memory_queue = MemoryQueue::with(1);
    *memory_queue.inner.slow_keep.lock().unwrap() = Duration::from_secs(600);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, _| async {
        sleep(Duration::from_millis(1_200)).await;
        Ok::<_, BoxError>(())
    });
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_millis(1_100)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(took, Duration::from_millis(1_100));
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
}

#[tokio::test(start_paused = true)]
async fn stuck_told_when_the_queue_never_comes_back() {
    let memory_queue = MemoryQueue::with(2);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(2, job));
    let inner = memory_queue.inner.clone();
    let away = async move |_| {
        sleep(Duration::from_secs(1)).await;
        *inner.away.lock().unwrap() = true;
    };
    let (exit, took) = shut_down(jobs, away).await;
    assert_eq!(exit.code(), 124);
    assert!(took <= Duration::from_secs(25), "{took:?}");
    assert_eq!(memory_queue.told(QueueTold::Done), [] as [usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn jobs_accounted_when_the_queue_comes_back_during_the_drain() {
    let memory_queue = MemoryQueue::with(2);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(2, job));
    let inner = memory_queue.inner.clone();
    let away = async move |_| {
        sleep(Duration::from_secs(1)).await;
        *inner.away.lock().unwrap() = true;
        tokio::spawn(async move {
            sleep(Duration::from_secs(10)).await;
            *inner.away.lock().unwrap() = false;
        });
    };
    let (exit, took) = shut_down(jobs, away).await;
    assert_eq!(exit, Exit::CLEAN);
    assert!(took < Duration::from_secs(13), "{took:?}");
    assert_eq!(memory_queue.told(QueueTold::Done), [0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_accounted_when_one_ignores_its_cancellation() {
    let memory_queue = MemoryQueue::with(2);
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let jobs = Jobs::raw("test", memory_queue.clone(), move |payload: Bytes, _| {
        let blocked = blocked.clone();
        async move {
            if payload == "0" {
                let _ = blocked.lock().unwrap().recv();
            }
            Ok::<_, BoxError>(())
        }
    });
    let life = Lifecycle::embedded()
        .grace(Duration::from_secs(2))
        .component(jobs);
    let handle = life.handle();
    let ended = tokio::spawn(life.run());
    while memory_queue.told(QueueTold::Done) != [1] {
        tokio::task::yield_now().await;
    }
    handle.shutdown("test");
    let exit = timeout(Duration::from_secs(3), ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(exit.code(), 124);
    assert_eq!(memory_queue.told(QueueTold::Back), [0]);
    drop(release);
}
