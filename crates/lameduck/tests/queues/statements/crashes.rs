//! Workers and servers that are gone without a word.

use std::time::{Duration, Instant};

use lameduck::{Exit, Queue};
use tokio::sync::watch;

use crate::diary::{Diary, What};
use crate::server::{Mortal, Server, assert_left};
use crate::worker::{Takes, Worker};

pub async fn jobs_accounted_when_a_worker_crashes<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..5).await;
    // A process that ends here has told nobody anything.
    let crashed = server.queue().await;
    crashed.open(5).await.expect("the server is there");
    let mut taken = Vec::new();
    while taken.len() < 3 {
        crashed.ready(3).await.expect("the server is there");
        taken.extend(crashed.take(3).await.expect("the server is there"));
    }
    let crash = Instant::now();
    drop(taken);
    drop(crashed);

    let diary = Diary::new();
    let worker = Worker::new("a", Takes::NO_TIME);
    let worker = worker.start(server.queue().await, &diary);
    diary.until_done(5).await;
    let after = crash.elapsed();
    // Some count in whole seconds, and look three times in a lease.
    assert!(
        after < S::LEASE * 2 + Duration::from_secs(3),
        "after {after:?}"
    );
    assert_eq!(worker.stop().await, Exit::CLEAN);
    diary.assert_once_each(What::Done, 5);
    assert_left(&server, 0).await;
}

pub async fn jobs_accounted_when_the_server_is_killed_and_comes_back<S: Mortal>() {
    let Some(mut server) = S::start_alone().await else {
        return;
    };
    server.push(0..20).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let worker = Worker::new("a", Takes::Until(door));
    let worker = worker.start(server.queue().await, &diary);
    diary.until("a", What::Started, 4).await;
    server.kill();
    server.start_again();
    open.send_replace(true);
    diary.until_done(20).await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    // What was held when the server died may come twice; what it had not handed out may not.
    let done = diary.times(What::Done);
    let twice = done.values().filter(|times| **times > 1).count();
    assert!(twice <= 8, "{done:?}");
}

pub async fn stuck_told_in_time_when_the_server_does_not_come_back<S: Mortal>() {
    let Some(mut server) = S::start_alone().await else {
        return;
    };
    server.push(0..8).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let grace = Duration::from_secs(4);
    let worker = Worker::new("a", Takes::Until(door)).grace(grace);
    let worker = worker.start(server.queue().await, &diary);
    diary.until("a", What::Started, 4).await;
    server.kill();
    let signal = Instant::now();
    worker.handle.shutdown("test");
    open.send_replace(true);
    assert_eq!(worker.stop().await, Exit::LET_GO);
    assert!(signal.elapsed() < grace, "{:?}", signal.elapsed());
    server.start_again();
    assert_left(&server, 8).await; // none was acknowledged, so none has vanished
}
