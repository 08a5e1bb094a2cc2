//! What goes back is somewhere else at once.

use std::time::{Duration, Instant};

use lameduck::Exit;

use crate::diary::{Diary, Entry, What};
use crate::server::{Server, assert_left};
use crate::worker::{AtWork, Takes, Worker};

pub async fn jobs_accounted_let_go_ones_start_elsewhere_within_a_second<S: Server>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..12).await;
    let diary = Diary::new();
    let leaving = Worker::new("leaving", Takes::Forever).holds(6, 6);
    let leaving = leaving.grace(Duration::from_secs(4));
    let leaving = leaving.start(server.queue().await, &diary);
    diary.until("leaving", What::Started, 6).await;
    let staying = start_beside_a_full_one(&server, &diary, 12).await;

    let signal = Instant::now();
    assert_eq!(leaving.stop().await, Exit::LET_GO);
    diary.until_done(13).await;
    let let_go = diary.of("leaving", What::Cancelled);
    assert_eq!(let_go.len(), 6);
    for entry in &let_go {
        let time = entry.at - signal;
        assert!(time > Duration::from_secs(2), "{time:?} to finish");
    }
    for job in 0..12 {
        // Those that had not started go back when the shutdown begins.
        let free = let_go.iter().find(|entry| entry.job == job);
        let free = free.map_or(signal, |entry| entry.at);
        assert_starts_within_a_second(&diary, job, free);
    }
    let began = diary.jobs("leaving", What::Started);
    for entry in diary.of("staying", What::Started) {
        let again = began.contains(&entry.job);
        assert!(!again || entry.attempt >= 2, "{entry:?}");
    }
    assert_eq!(staying.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Done, 13);
}

pub async fn jobs_accounted_ones_that_give_themselves_back_start_elsewhere_within_a_second<
    S: Server,
>() {
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..3).await;
    let diary = Diary::new();
    let leaving = Worker::new("leaving", Takes::UntilDraining).holds(3, 0);
    let leaving = leaving.start(server.queue().await, &diary);
    diary.until("leaving", What::Started, 3).await;
    let staying = start_beside_a_full_one(&server, &diary, 3).await;

    assert_eq!(leaving.stop().await.code(), 0, "nothing was let go");
    diary.until_done(4).await;
    let given_back = diary.of("leaving", What::GivenBack);
    assert_eq!(given_back.len(), 3);
    for Entry { job, at, .. } in given_back {
        let attempt = assert_starts_within_a_second(&diary, job, at);
        assert!(attempt >= 2, "attempt {attempt} of job {job}");
    }
    assert_eq!(staying.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
    diary.assert_once_each(What::Done, 4);
}

/// A worker that is known to take jobs, since it has done `job`; and that has got nothing else, since
/// that is all held by the worker before it.
async fn start_beside_a_full_one(server: &impl Server, diary: &Diary, job: u64) -> AtWork {
    let staying = Worker::new("staying", Takes::NO_TIME).holds(12, 12);
    let staying = staying.start(server.queue().await, diary);
    server.push(job..job + 1).await;
    diary.until("staying", What::Done, 1).await;
    assert_eq!(diary.jobs("staying", What::Started), [job]);
    staying
}

/// Which attempt it is, at the worker that stays.
fn assert_starts_within_a_second(diary: &Diary, job: u64, free: Instant) -> u32 {
    let started = diary.of("staying", What::Started);
    let started: Vec<&Entry> = started.iter().filter(|entry| entry.job == job).collect();
    let [started] = started[..] else {
        panic!("job {job} starts once there, not {started:?}");
    };
    let after = started.at.saturating_duration_since(free);
    assert!(
        after < Duration::from_secs(1),
        "job {job} started {after:?} later"
    );
    started.attempt
}
