//! What is done, and when the queue is told.

use std::time::Duration;

use lameduck::Exit;
use tokio::sync::watch;

use crate::diary::{Diary, What};
use crate::server::{Server, assert_left};
use crate::worker::{Takes, Worker};

pub async fn jobs_accounted_done_once_each<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..300).await;
    let diary = Diary::new();
    let worker = Worker::new("a", Takes::NO_TIME).holds(8, 8);
    let worker = worker.start(server.queue().await, &diary);
    diary.until_done(300).await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Started, 300);
}

pub async fn jobs_accounted_acknowledged_only_after_success<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let first = Worker::new("first", Takes::Until(door)).holds(3, 0);
    let first = first.start(server.queue().await, &diary);
    diary.until("first", What::Started, 3).await;
    // The shutdown waits for them, and acknowledges them then.
    first.handle.shutdown("test");
    open.send_replace(true);
    assert_eq!(first.stop().await, Exit::CLEAN);
    assert_eq!(diary.jobs("first", What::Done), [0, 1, 2]);
    assert_left(&server, 0).await;

    server.push(3..6).await;
    let second = Worker::new("second", Takes::Forever).holds(3, 0);
    let second = second.grace(Duration::from_secs(1));
    let second = second.start(server.queue().await, &diary);
    diary.until("second", What::Started, 3).await;
    assert_eq!(second.stop().await, Exit::LET_GO);
    assert_eq!(diary.jobs("second", What::Cancelled), [3, 4, 5]);
    assert_left(&server, 3).await;
}

pub async fn jobs_accounted_a_failed_one_comes_again<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let worker = Worker::new("a", Takes::TwoAttempts).holds(2, 2);
    let worker = worker.start(server.queue().await, &diary);
    diary.until_done(3).await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    for job in 0..3 {
        let started = diary.of("a", What::Started);
        let attempts = started.iter().filter(|entry| entry.job == job);
        let attempts: Vec<u32> = attempts.map(|entry| entry.attempt).collect();
        assert_eq!(attempts, [1, 2], "of job {job}");
    }
}
