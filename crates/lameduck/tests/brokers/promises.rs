//! The statements, each for any queue.

use std::time::{Duration, Instant};

use lameduck::{Exit, Queue};
use tokio::sync::watch;

use crate::diary::{Diary, Takes, What, work};
use crate::server::Server;

const GRACE: Duration = Duration::from_secs(30);

/// One test for each statement.
macro_rules! promises {
    ($server:ty: $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $crate::promises::$name::<$server>().await;
            }
        )*
    };
    ($server:ty) => {
        $crate::promises::promises! { $server:
            jobs_accounted_done_once_each
            jobs_accounted_acknowledged_only_after_success
            jobs_accounted_a_failed_one_comes_again
            jobs_accounted_let_go_ones_start_elsewhere_within_a_second
            jobs_accounted_when_a_worker_crashes
            jobs_accounted_and_its_lease_kept_however_long_it_runs
            jobs_accounted_when_the_server_is_killed_and_comes_back
            stuck_told_in_time_when_the_server_does_not_come_back
        }
    };
}
pub(crate) use promises;

pub async fn jobs_accounted_done_once_each<S: Server>() {
    let Some(server) = S::start(false).await else {
        return;
    };
    server.push(0..300).await;
    let diary = Diary::new();
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Time(Duration::ZERO),
        (8, 8),
        GRACE,
    );
    diary
        .until("all are done", |diary| diary.done().len() == 300)
        .await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    assert!(
        diary.done().values().all(|times| *times == 1),
        "{:?}",
        diary.done()
    );
}

pub async fn jobs_accounted_acknowledged_only_after_success<S: Server>() {
    let Some(server) = S::start(false).await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let first = work(
        server.queue().await,
        &diary,
        "first",
        Takes::Until(door),
        (3, 0),
        GRACE,
    );
    diary
        .until("all run", |diary| {
            diary.of("first", What::Started).len() == 3
        })
        .await;
    // The shutdown waits for them, and acknowledges them then.
    first.handle.shutdown("test");
    open.send_replace(true);
    assert_eq!(first.stop().await, Exit::CLEAN);
    assert_eq!(diary.done().len(), 3);
    assert_left(&server, 0).await;

    server.push(3..6).await;
    let second = work(
        server.queue().await,
        &diary,
        "second",
        Takes::Forever,
        (3, 0),
        Duration::from_secs(1),
    );
    diary
        .until("all run", |diary| {
            diary.of("second", What::Started).len() == 3
        })
        .await;
    assert_eq!(second.stop().await.code(), 124);
    assert_eq!(diary.of("second", What::Cancelled).len(), 3);
    assert_left(&server, 3).await;
}

pub async fn jobs_accounted_a_failed_one_comes_again<S: Server>() {
    let Some(server) = S::start(false).await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Failing,
        (2, 2),
        GRACE,
    );
    diary
        .until("all are done", |diary| diary.done().len() == 3)
        .await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    for job in 0..3 {
        let started = diary.of("a", What::Started);
        let attempts = started.iter().filter(|entry| entry.job == job);
        let attempts: Vec<u32> = attempts.map(|entry| entry.attempt).collect();
        assert_eq!(attempts, [1, 2], "of job {job}");
    }
}

pub async fn jobs_accounted_let_go_ones_start_elsewhere_within_a_second<S: Server>() {
    let Some(server) = S::start(false).await else {
        return;
    };
    server.push(0..12).await;
    let diary = Diary::new();
    let grace = Duration::from_secs(4);
    let leaving = work(
        server.queue().await,
        &diary,
        "leaving",
        Takes::Forever,
        (6, 6),
        grace,
    );
    diary
        .until("some run", |diary| {
            diary.of("leaving", What::Started).len() == 6
        })
        .await;
    let staying = work(
        server.queue().await,
        &diary,
        "staying",
        Takes::Time(Duration::ZERO),
        (12, 12),
        GRACE,
    );

    let signal = Instant::now();
    assert_eq!(leaving.stop().await.code(), 124);
    diary
        .until("all are done", |diary| diary.done().len() == 12)
        .await;
    let ran: Vec<u64> = diary
        .of("leaving", What::Started)
        .iter()
        .map(|entry| entry.job)
        .collect();
    let let_go = diary
        .of("leaving", What::Cancelled)
        .iter()
        .map(|entry| entry.at)
        .min();
    let let_go = let_go.expect("six were cancelled");
    assert!(
        let_go - signal > Duration::from_secs(2),
        "they had their time to finish"
    );
    for entry in diary.of("staying", What::Started) {
        let free = if ran.contains(&entry.job) {
            let_go
        } else {
            signal
        };
        let after = entry.at.saturating_duration_since(free);
        assert!(
            after < Duration::from_secs(1),
            "job {} started {after:?} later",
            entry.job
        );
        if ran.contains(&entry.job) {
            assert!(
                entry.attempt >= 2,
                "attempt {} of job {}",
                entry.attempt,
                entry.job
            );
        }
    }
    assert_eq!(staying.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    assert!(diary.done().values().all(|times| *times == 1));
}

pub async fn jobs_accounted_when_a_worker_crashes<S: Server>() {
    let Some(server) = S::start(false).await else {
        return;
    };
    server.push(0..5).await;
    // A process that ends here has told nobody anything.
    let crashed = server.queue().await;
    crashed.open(5).await.expect("the server is there");
    let mut taken = Vec::new();
    while taken.len() < 3 {
        crashed.ready().await.expect("the server is there");
        taken.extend(crashed.take(3).await.expect("the server is there"));
    }
    let crash = Instant::now();
    drop(taken);
    drop(crashed);

    let diary = Diary::new();
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Time(Duration::ZERO),
        (4, 4),
        GRACE,
    );
    diary
        .until("all are done", |diary| diary.done().len() == 5)
        .await;
    let after = crash.elapsed();
    // Redis counts in whole seconds, and looks three times in a lease.
    assert!(
        after < S::LEASE * 2 + Duration::from_secs(3),
        "after {after:?}"
    );
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
}

pub async fn jobs_accounted_and_its_lease_kept_however_long_it_runs<S: Server>() {
    let Some(server) = S::start(false).await else {
        return;
    };
    server.push(0..2).await;
    let diary = Diary::new();
    let long = S::LEASE * 3 + Duration::from_secs(1);
    let working = work(
        server.queue().await,
        &diary,
        "working",
        Takes::Time(long),
        (2, 0),
        GRACE,
    );
    diary
        .until("both run", |diary| {
            diary.of("working", What::Started).len() == 2
        })
        .await;
    let waiting = work(
        server.queue().await,
        &diary,
        "waiting",
        Takes::Time(Duration::ZERO),
        (2, 2),
        GRACE,
    );
    // The drain takes several leases.
    assert_eq!(working.stop().await, Exit::CLEAN);
    assert_eq!(waiting.stop().await, Exit::CLEAN);
    assert_eq!(diary.of("working", What::Done).len(), 2);
    assert_eq!(diary.of("waiting", What::Started).len(), 0);
    assert_left(&server, 0).await;
}

pub async fn jobs_accounted_when_the_server_is_killed_and_comes_back<S: Server>() {
    let Some(mut server) = S::start(true).await else {
        return;
    };
    server.push(0..20).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Until(door),
        (4, 4),
        GRACE,
    );
    diary
        .until("some run", |diary| diary.of("a", What::Started).len() == 4)
        .await;
    server.kill();
    server.start_again();
    open.send_replace(true);
    diary
        .until("all are done", |diary| diary.done().len() == 20)
        .await;
    assert_eq!(worker.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    // What was held when the server died may come twice; what it had not handed out may not.
    let twice = diary.done().values().filter(|times| **times > 1).count();
    assert!(twice <= 8, "{:?}", diary.done());
}

pub async fn stuck_told_in_time_when_the_server_does_not_come_back<S: Server>() {
    let Some(mut server) = S::start(true).await else {
        return;
    };
    server.push(0..8).await;
    let diary = Diary::new();
    let (open, door) = watch::channel(false);
    let grace = Duration::from_secs(4);
    let worker = work(
        server.queue().await,
        &diary,
        "a",
        Takes::Until(door),
        (4, 4),
        grace,
    );
    diary
        .until("some run", |diary| diary.of("a", What::Started).len() == 4)
        .await;
    server.kill();
    let signal = Instant::now();
    worker.handle.shutdown("test");
    open.send_replace(true);
    assert_eq!(worker.stop().await.code(), 124);
    assert!(signal.elapsed() < grace, "{:?}", signal.elapsed());
    server.start_again();
    assert_left(&server, 8).await; // none was acknowledged, so none has vanished
}

/// So many jobs are there that are not done; a server that has just started may take a moment to
/// find them.
async fn assert_left<S: Server>(server: &S, expected: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let left = server.left().await;
        if left == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{left} jobs are left instead of {expected}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
