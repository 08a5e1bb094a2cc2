//! Answers that are lost on their way: the queue has done what it was asked, and nobody here knows.

use std::time::{Duration, Instant};

use lameduck::{Exit, Queue, Settled, Taken};

use crate::diary::{Diary, What};
use crate::forgetful::{Forgets, forgetful};
use crate::server::{Server, assert_left};
use crate::worker::{Takes, Worker};

pub async fn jobs_accounted_when_the_answer_to_a_fetch_is_lost<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..6).await;
    let diary = Diary::new();
    let queue = forgetful(server.queue().await, Forgets::FirstTake);
    let begun = Instant::now();
    let worker = Worker::new("a", Takes::NO_TIME).start(queue, &diary);
    diary.until_done(6).await;
    let after = begun.elapsed();
    assert!(after < back_within::<S>(), "after {after:?}");
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Started, 6);
}

pub async fn jobs_accounted_when_the_answer_to_the_last_fetch_is_lost<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    let diary = Diary::new();
    let queue = forgetful(server.queue().await, Forgets::EveryTake);
    let forgotten = queue.forgotten();
    let leaving = Worker::new("leaving", Takes::NO_TIME).start(queue, &diary);
    server.push(0..4).await;
    forgotten.notified().await;
    assert_eq!(leaving.stop().await, Exit::CLEAN);
    let gone = Instant::now();
    let staying = Worker::new("staying", Takes::NO_TIME);
    let staying = staying.start(server.queue().await, &diary);
    diary.until_done(4).await;
    let after = gone.elapsed();
    assert!(after < back_within::<S>(), "after {after:?}");
    assert_eq!(staying.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Started, 4);
}

pub async fn jobs_accounted_when_the_answers_about_what_has_ended_are_lost<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let queue = forgetful(server.queue().await, Forgets::EachSettlementOnce);
    let worker = Worker::new("a", Takes::TwoAttempts).holds(3, 0);
    let worker = worker.start(queue, &diary);
    diary.until_done(3).await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Done, 3);
    for job in 0..3 {
        let started = diary.of("a", What::Started);
        let attempts = started.iter().filter(|entry| entry.job == job);
        let attempts: Vec<u32> = attempts.map(|entry| entry.attempt).collect();
        assert_eq!(attempts, [1, 2], "of job {job}");
    }
}

/// What was said of an attempt comes late, or once more: when the job has been handed out again.
pub async fn jobs_accounted_when_a_word_about_an_earlier_attempt_comes_late<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..1).await;
    let queue = server.queue().await;
    queue.open(1).await.expect("the server is there");
    let first = taken(&queue).await;
    queue.failed(&first.lease, "it has to").await.expect("told");
    let second = taken(&queue).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    let late = queue.failed(&first.lease, "it has to").await;
    assert!(late.is_ok(), "{late:?}");
    queue.give_back(&[&first.lease]).await.expect("told");

    // Whoever else is there does not get it, but what is pushed now.
    let diary = Diary::new();
    let other = Worker::new("other", Takes::NO_TIME);
    let other = other.start(server.queue().await, &diary);
    server.push(1..2).await;
    let keeping = async {
        loop {
            queue.keep(&[&second.lease]).await.expect("asked");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = diary.until_done(1) => {}
        () = keeping => {}
    }
    assert_eq!(diary.jobs("other", What::Started), [1]);
    let lost = queue.keep(&[&second.lease]).await.expect("asked");
    assert!(lost.0.is_empty(), "the second attempt is ours");
    let done = queue.done(&[&second.lease]).await.pop();
    let done = done.expect("an answer").expect("the server is there");
    assert_eq!(done, Settled::Ours);
    queue.close().await.expect("the server is there");
    queue.end().await;
    assert_eq!(other.stop().await, Exit::CLEAN);
    assert_eq!(diary.jobs("other", What::Started), [1]);
    assert_left(&server, 0).await;
}

/// One job, when there is one.
async fn taken<Q: Queue>(queue: &Q) -> Taken<Q::Lease> {
    let waiting = async {
        loop {
            queue.ready(1).await.expect("the server is there");
            let mut taken = queue.take(1).await.expect("the server is there");
            if let Some(taken) = taken.pop() {
                return taken;
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    waited.expect("a job comes within 30 s")
}

/// How soon what was handed out in a lost answer runs: soon after the error where it is given back, and
/// after the time of its lease where the server has it back by itself.
fn back_within<S: Server>() -> Duration {
    let by_itself = if S::GIVES_BACK_UNKNOWN {
        Duration::ZERO
    } else {
        S::LEASE
    };
    by_itself + Duration::from_secs(2)
}
