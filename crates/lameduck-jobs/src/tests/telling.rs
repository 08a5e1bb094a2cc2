//! How a queue is told of what is done.

use std::time::Duration;

use tokio::time::sleep;

use super::memory_queue::{MemoryQueue, QueueTold};
use super::{for_seconds, shut_down};
use lameduck_core::BoxError;
use lameduck_core::Exit;

use crate::{Job, Jobs};

#[tokio::test(start_paused = true)]
async fn what_ends_while_the_queue_is_told_is_told_together() {
    let memory_queue = MemoryQueue::with(10);
    *memory_queue.inner.slow_settle.lock().unwrap() = Duration::from_millis(100);
    let jobs = Jobs::new("test", memory_queue.clone(), |n: u64, _| async move {
        sleep(Duration::from_millis(n)).await;
        Ok::<_, BoxError>(())
    })
    .concurrency(10);
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(*memory_queue.inner.told_at_once.lock().unwrap(), [1, 9]);
    let (first, second) = (Duration::from_millis(100), Duration::from_millis(200));
    let mut times = vec![first];
    times.extend([second; 9]);
    assert_eq!(memory_queue.times(QueueTold::Done), times);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_queue_refuses_holds_up_no_other() {
    let memory_queue = MemoryQueue::with(12);
    memory_queue.inner.refused.lock().unwrap().push(0);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job: Job| {
        for_seconds(1, job)
    })
    .concurrency(1);
    let inner = memory_queue.inner.clone();
    let relent = async move |_| {
        sleep(Duration::from_millis(11_500)).await;
        inner.refused.lock().unwrap().clear();
        sleep(Duration::from_secs(3)).await;
    };
    let (exit, _) = shut_down(jobs, relent).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(
        memory_queue.told(QueueTold::Done),
        (0..12).collect::<Vec<_>>()
    );
    let log = memory_queue.inner.log.lock().unwrap();
    for (what, job, at) in log.iter().filter(|it| it.0 == QueueTold::Done) {
        match job {
            // The longest pause is 2 s.
            0 => assert!(at.as_millis() > 11_500 && at.as_millis() < 13_600, "{at:?}"),
            _ => assert_eq!(*at, Duration::from_secs(*job as u64 + 1), "{what:?} {job}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stuck_told_when_the_queue_refuses_one_job_to_the_end() {
    let memory_queue = MemoryQueue::with(3);
    memory_queue.inner.refused.lock().unwrap().push(1);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(2, job));
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit.code(), 124);
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert_eq!(memory_queue.told(QueueTold::Done), [0, 2]);
}

/// A queue that says less than it was asked is asked again.
#[tokio::test(start_paused = true)]
async fn what_a_queue_does_not_answer_is_not_taken_for_settled() {
    let memory_queue = MemoryQueue::with(2);
    *memory_queue.inner.mute.lock().unwrap() = 1;
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(4)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(*memory_queue.inner.told_at_once.lock().unwrap(), [2, 2]);
    assert_eq!(memory_queue.told(QueueTold::Done), [0, 1]);
}
