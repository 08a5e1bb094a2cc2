//! Servers that cannot be reached any more, without anybody saying so.

use lameduck::Exit;

use crate::diary::{Diary, What};
use crate::relay::Relay;
use crate::server::{Addressed, assert_left};
use crate::worker::{Takes, Worker};

/// A worker that cannot renew its leases stops before others begin.
pub async fn jobs_accounted_when_the_server_cannot_be_reached<S: Addressed>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let relay = Relay::to(&server.address()).await;
    let away = Worker::new("away", Takes::Forever).holds(3, 0);
    let away = away.start(S::queue_at(&relay.address).await, &diary);
    diary.until("away", What::Started, 3).await;
    let there = Worker::new("there", Takes::NO_TIME);
    let there = there.start(server.queue().await, &diary);
    relay.cut();
    diary.until("away", What::Cancelled, 3).await;
    diary.until_done(3).await;
    for cancelled in diary.of("away", What::Cancelled) {
        let started = diary.of("there", What::Started);
        let started = started.iter().find(|entry| entry.job == cancelled.job);
        let started = started.expect("it is done there").at;
        // A tenth of a lease is left for it, which a busy machine may need for its own.
        assert!(
            S::LEASE.as_secs() < 3 || cancelled.at <= started,
            "job {} ran here until {:?} after it had begun elsewhere",
            cancelled.job,
            cancelled.at - started
        );
    }
    assert_eq!(there.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    drop(away);
}

/// A fetch is heard, and its answer never arrives on the connections that there are; others work.
pub async fn jobs_accounted_when_connections_fall_silent<S: Addressed>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..1).await;
    let diary = Diary::new();
    let relay = Relay::to(&server.address()).await;
    let worker = Worker::new("a", Takes::NO_TIME);
    let worker = worker.start(S::queue_at(&relay.address).await, &diary);
    diary.until_done(1).await;
    relay.mute();
    server.push(1..5).await;
    diary.until_done(5).await;
    let _ = worker.stop().await;
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Done, 5);
}
