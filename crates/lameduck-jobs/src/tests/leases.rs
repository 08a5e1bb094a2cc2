//! What becomes of jobs when answers are lost, leases are not renewed, and clocks stand still.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::memory_queue::{MemoryQueue, QueueTold};
use super::{for_seconds, shut_down};
use crate::held::lease_clock::tests::ASLEEP;
use lameduck_core::BoxError;
use lameduck_core::Exit;

use crate::{Job, Jobs};

const NONE: [usize; 0] = [];

/// How long a job is ours: nine tenths of the queue's three seconds.
const OURS: Duration = Duration::from_millis(2_700);

/// When handlers were dropped before they had ended.
#[derive(Clone, Default)]
struct Cancelled(Arc<Mutex<Vec<Duration>>>);

impl Cancelled {
    /// A handler that takes so long, unless it is cancelled.
    fn jobs(&self, memory_queue: &MemoryQueue, seconds: u64) -> Jobs<MemoryQueue> {
        let (cancelled, begun) = (self.clone(), Instant::now());
        Jobs::raw("test", memory_queue.clone(), move |_, job| {
            let mut note = Note(Some((cancelled.clone(), begun)));
            async move {
                for_seconds(seconds, job).await?;
                note.0.take();
                Ok::<_, BoxError>(())
            }
        })
    }

    fn times(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

struct Note(Option<(Cancelled, Instant)>);

impl Drop for Note {
    fn drop(&mut self) {
        if let Some((cancelled, begun)) = self.0.take() {
            cancelled.0.lock().unwrap().push(begun.elapsed());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_lost_on_time_while_the_queue_does_not_answer() {
    let memory_queue = MemoryQueue::with(2);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 100);
    *memory_queue.inner.slow_keep.lock().unwrap() = Duration::from_secs(600);
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_millis(3_500)).await).await;
    // Taken again, they have leases of their own.
    let times = [OURS, OURS, OURS * 2, OURS * 2];
    assert_eq!(cancelled.times(), times);
    assert_eq!(
        memory_queue.times(QueueTold::Unknown),
        times,
        "back at once"
    );
    assert_eq!(memory_queue.told(QueueTold::Failed), NONE);
    assert_eq!(exit.code(), 124);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_lost_on_time_while_the_queue_cannot_be_asked() {
    let memory_queue = MemoryQueue::with(1);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 100);
    let inner = memory_queue.inner.clone();
    let deafen = async move |_| {
        sleep(Duration::from_millis(5_500)).await;
        // Renewed last at the fifth second.
        *inner.deaf.lock().unwrap() = true;
        sleep(Duration::from_secs(4)).await;
    };
    let (_, _) = shut_down(jobs, deafen).await;
    assert_eq!(cancelled.times()[0], Duration::from_secs(5) + OURS);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_counted_from_when_the_queue_was_asked() {
    let memory_queue = MemoryQueue::with(1);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 100);
    // Asked at the first second, answered a second and a half later, and never again.
    *memory_queue.inner.slow_keep.lock().unwrap() = Duration::from_millis(1_500);
    let inner = memory_queue.inner.clone();
    let slower = async move |_| {
        sleep(Duration::from_millis(1_500)).await;
        *inner.slow_keep.lock().unwrap() = Duration::from_secs(600);
        sleep(Duration::from_secs(3)).await;
    };
    let (_, _) = shut_down(jobs, slower).await;
    assert_eq!(cancelled.times()[0], Duration::from_secs(1) + OURS);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_renewed_in_time_is_kept() {
    let memory_queue = MemoryQueue::with(1);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 20);
    let inner = memory_queue.inner.clone();
    let deafen = async move |_| {
        for _ in 0..4 {
            sleep(Duration::from_millis(2_200)).await;
            *inner.deaf.lock().unwrap() = true;
            sleep(Duration::from_millis(1_500)).await;
            *inner.deaf.lock().unwrap() = false;
        }
        sleep(Duration::from_secs(10)).await;
    };
    let (exit, _) = shut_down(jobs, deafen).await;
    assert_eq!(exit, Exit::CLEAN);
    assert!(cancelled.times().is_empty());
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_lost_while_the_machine_sleeps() {
    let memory_queue = MemoryQueue::with(1);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 20);
    let slept = async |_| {
        sleep(Duration::from_millis(1_500)).await;
        ASLEEP.set(ASLEEP.get() + Duration::from_secs(60));
        sleep(Duration::from_secs(2)).await;
    };
    let (_, _) = shut_down(jobs, slept).await;
    assert_eq!(cancelled.times()[0], Duration::from_secs(2));
}

/// After a stop all timers are over at once, and the handler's may come before that of the lease renewer.
#[tokio::test(start_paused = true)]
async fn a_handler_that_was_stopped_for_longer_than_its_lease_does_not_go_on() {
    let memory_queue = MemoryQueue::with(1);
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = steps.clone();
    let jobs = Jobs::raw("test", memory_queue.clone(), move |_, job: Job| {
        let steps = counted.clone();
        async move {
            while job.attempt() == 1 {
                sleep(Duration::from_millis(10)).await;
                steps.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, BoxError>(())
        }
    });
    let stop = async |_| {
        sleep(Duration::from_millis(1_505)).await;
        assert_eq!(steps.load(Ordering::Relaxed), 150);
        tokio::time::advance(Duration::from_secs(10)).await;
        sleep(Duration::from_secs(1)).await;
    };
    let (exit, _) = shut_down(jobs, stop).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(steps.load(Ordering::Relaxed), 150);
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_lease_began_long_ago_ends_with_it() {
    let memory_queue = MemoryQueue::with(1);
    *memory_queue.inner.lease_age.lock().unwrap() = Duration::from_millis(2_600);
    *memory_queue.inner.slow_keep.lock().unwrap() = Duration::from_secs(600);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 20);
    let (_, _) = shut_down(jobs, async |_| sleep(Duration::from_millis(500)).await).await;
    assert_eq!(cancelled.times()[0], Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn jobs_accounted_when_the_answer_to_a_fetch_is_lost() {
    let memory_queue = MemoryQueue::with(4);
    memory_queue.inner.lost_takes.store(1, Ordering::Relaxed);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(2)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Unknown), [0, 1, 2, 3]);
    assert_eq!(memory_queue.told(QueueTold::Done), [0, 1, 2, 3]);
    assert_eq!(memory_queue.told(QueueTold::Ended), [0]);
}

#[tokio::test(start_paused = true)]
async fn jobs_accounted_when_the_answer_to_the_last_fetch_is_lost() {
    let memory_queue = MemoryQueue::with(4);
    *memory_queue.inner.slow_take.lock().unwrap() = Duration::from_secs(2);
    memory_queue.inner.lost_takes.store(1, Ordering::Relaxed);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(took, Duration::from_secs(1));
    assert_eq!(memory_queue.told(QueueTold::Unknown), [0, 1, 2, 3]);
    assert_eq!(memory_queue.told(QueueTold::Taken), NONE);
}

#[tokio::test(start_paused = true)]
async fn jobs_accounted_when_a_fetch_is_never_answered() {
    let memory_queue = MemoryQueue::with(4);
    *memory_queue.inner.slow_take.lock().unwrap() = Duration::from_secs(600);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let inner = memory_queue.inner.clone();
    let heal = async move |_| {
        sleep(Duration::from_secs(1)).await;
        *inner.slow_take.lock().unwrap() = Duration::ZERO;
        sleep(Duration::from_secs(4)).await;
    };
    let (exit, _) = shut_down(jobs, heal).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.told(QueueTold::Done), [0, 1, 2, 3]);
    // The lease, and the pause after an error.
    let back = OURS + Duration::from_millis(50);
    assert_eq!(memory_queue.times(QueueTold::Unknown), [back; 4]);
}

/// What nobody knows of is looked for without any sign of it too.
#[tokio::test(start_paused = true)]
async fn what_the_queue_believes_to_be_ours_is_looked_for_from_time_to_time() {
    let memory_queue = MemoryQueue::with(0);
    memory_queue.claim_for_us(7);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(14)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(memory_queue.times(QueueTold::Unknown), [OURS * 4]);
    assert_eq!(memory_queue.told(QueueTold::Done), [7]);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_believes_to_be_ours_goes_back_in_a_shutdown() {
    let memory_queue = MemoryQueue::with(0);
    memory_queue.claim_for_us(7);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job| for_seconds(1, job));
    let (exit, took) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(took, Duration::ZERO);
    assert_eq!(memory_queue.told(QueueTold::Unknown), [7]);
}

/// The first attempt fails, the queue notes that and its answer is lost; so the second attempt runs while
/// the first is still to be told.
#[tokio::test(start_paused = true)]
async fn a_failure_whose_answer_was_lost_does_not_fail_the_next_attempt() {
    let memory_queue = MemoryQueue::with(1);
    memory_queue.inner.lost_failures.store(1, Ordering::Relaxed);
    let jobs = Jobs::raw("test", memory_queue.clone(), |_, job: Job| async move {
        if job.attempt() == 1 {
            return Err(BoxError::from("the first attempt fails"));
        }
        for_seconds(5, job).await
    });
    let (exit, _) = shut_down(jobs, async |_| sleep(Duration::from_secs(1)).await).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(
        memory_queue.told(QueueTold::Failed),
        [0],
        "it is not told again"
    );
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
}

/// The queue hands out a job that is still running here: so it is not ours any more.
#[tokio::test(start_paused = true)]
async fn an_attempt_whose_job_is_handed_out_again_is_cancelled() {
    let memory_queue = MemoryQueue::with(1);
    let cancelled = Cancelled::default();
    let jobs = cancelled.jobs(&memory_queue, 5);
    let queue = memory_queue.clone();
    let again = async move |_| {
        sleep(Duration::from_millis(1_500)).await;
        queue.hand_out_again(0);
        sleep(Duration::from_secs(1)).await;
    };
    let (exit, _) = shut_down(jobs, again).await;
    assert_eq!(exit, Exit::CLEAN);
    assert_eq!(cancelled.times(), [Duration::from_millis(1_500)]);
    assert_eq!(memory_queue.told(QueueTold::Done), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_could_not_be_acknowledged_is_tried_again_by_a_busy_worker() {
    let memory_queue = MemoryQueue::with(200);
    *memory_queue.inner.slow_settle.lock().unwrap() = Duration::from_millis(20);
    memory_queue.inner.refused.lock().unwrap().push(0);
    // There are always some that have just ended.
    let jobs = Jobs::raw("test", memory_queue.clone(), |_: Bytes, _| async {
        sleep(Duration::from_millis(5)).await;
        Ok::<_, BoxError>(())
    })
    .concurrency(4);
    let inner = memory_queue.inner.clone();
    let relent = async move |_| {
        sleep(Duration::from_millis(30)).await;
        inner.refused.lock().unwrap().clear();
        sleep(Duration::from_secs(3)).await;
    };
    let (exit, _) = shut_down(jobs, relent).await;
    assert_eq!(exit, Exit::CLEAN);
    let log = memory_queue.inner.log.lock().unwrap();
    let first = log.iter().find(|it| it.0 == QueueTold::Done && it.1 == 0);
    let at = first.expect("it is told in the end").2;
    // The first pause is 50 ms.
    assert!(at < Duration::from_millis(150), "{at:?}");
}
