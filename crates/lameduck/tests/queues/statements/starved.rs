//! An application that has used up its pool of connections.

use std::time::{Duration, Instant};

use lameduck::Exit;

use crate::diary::{Diary, What};
use crate::server::{Pooled, assert_left};
use crate::worker::{Takes, Worker};

pub async fn jobs_accounted_and_their_leases_kept_without_a_connection_to_be_had<S: Pooled>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let (queue, pool) = server.queue_on_one_connection().await;
    let long = S::LEASE * 5 / 2;
    let working = Worker::new("working", Takes::Time(long)).holds(2, 0);
    let working = working.start(queue, &diary);
    diary.until("working", What::Started, 2).await;
    // As a handler has it that waits for a slow query.
    let used_up = S::acquire(&pool).await;
    let waiting = Worker::new("waiting", Takes::NO_TIME);
    let waiting = waiting.start(server.queue().await, &diary);
    diary.until("working", What::Done, 2).await;
    drop(used_up);
    assert_eq!(working.stop().await, Exit::CLEAN);
    assert_eq!(waiting.stop().await, Exit::CLEAN);
    let elsewhere = diary.jobs("waiting", What::Started);
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert_left(&server, 0).await;
}

pub async fn jobs_accounted_let_go_ones_start_elsewhere_without_a_connection_to_be_had<
    S: Pooled,
>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let (queue, pool) = server.queue_on_one_connection().await;
    let leaving = Worker::new("leaving", Takes::Forever).holds(2, 0);
    let leaving = leaving.grace(Duration::from_secs(2));
    let leaving = leaving.start(queue, &diary);
    diary.until("leaving", What::Started, 2).await;
    let used_up = S::acquire(&pool).await;
    let staying = Worker::new("staying", Takes::NO_TIME);
    let staying = staying.start(server.queue().await, &diary);
    assert_eq!(leaving.stop().await, Exit::LET_GO);
    diary.until_done(2).await;
    let free = diary.of("leaving", What::Cancelled);
    let free = free.iter().map(|entry| entry.at).max();
    let free = free.unwrap_or_else(Instant::now);
    for entry in diary.of("staying", What::Started) {
        let after = entry.at.saturating_duration_since(free);
        assert!(after < Duration::from_secs(1), "{after:?} later");
    }
    drop(used_up);
    assert_eq!(staying.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
}
