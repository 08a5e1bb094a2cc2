//! What is held stays held.

use std::time::Duration;

use lameduck::Exit;

use crate::diary::{Diary, What};
use crate::server::{Server, assert_left};
use crate::worker::{Takes, Worker};

pub async fn jobs_accounted_and_its_lease_kept_however_long_it_runs<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let long = S::LEASE * 3 + Duration::from_secs(1);
    let working = Worker::new("working", Takes::Time(long)).holds(2, 0);
    let working = working.start(server.queue().await, &diary);
    diary.until("working", What::Started, 2).await;
    let waiting = Worker::new("waiting", Takes::NO_TIME);
    let waiting = waiting.start(server.queue().await, &diary);
    // The drain takes several leases.
    assert_eq!(working.stop().await, Exit::CLEAN);
    assert_eq!(waiting.stop().await, Exit::CLEAN);
    assert_eq!(diary.jobs("working", What::Done), [0, 1]);
    let elsewhere = diary.jobs("waiting", What::Started);
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    assert_left(&server, 0).await;
}

pub async fn jobs_accounted_and_none_handed_out_twice_by_a_busy_worker<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    let diary = Diary::new();
    // Without a lease there is nothing to outlast.
    let longer_than_the_lease = (S::LEASE * 3 / 2).max(Duration::from_millis(300));
    let worker = |name| Worker::new(name, Takes::Time(longer_than_the_lease)).holds(5, 5);
    let busy = worker("busy").start(server.queue().await, &diary);
    // One by one: the last of them come when too little room is left to be worth asking, so they
    // wait wherever the adapter leaves them.
    for job in 0..10 {
        server.push(job..job + 1).await;
    }
    diary.until("busy", What::Started, 5).await;
    // One that has nothing else to do gets at once whatever is handed out again, and what is still in the
    // queue.
    let other = worker("other").start(server.queue().await, &diary);
    diary.until_done(10).await;
    // And the same when both are busy.
    server.push(10..30).await;
    diary.until_done(30).await;
    assert_eq!(busy.stop().await, Exit::CLEAN);
    assert_eq!(other.stop().await, Exit::CLEAN);
    diary.assert_once_each(What::Started, 30);
    assert_left(&server, 0).await;
}
