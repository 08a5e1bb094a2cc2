//! Phases and the in-flight ledger from the outside, on real threads. That they hold under every
//! interleaving is for `model.rs` to show.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lameduck_core::inflight::{Ended, Ledger, Name};
use lameduck_core::phase::{Driver, Phase};

#[tokio::test(start_paused = true)]
async fn a_waiter_for_a_phase_that_is_skipped_is_woken_by_a_later_one() {
    let driver = Driver::new();
    let phases = driver.phases();
    let waiter = tokio::spawn(async move { phases.reached(Phase::LameDuck).await });
    tokio::task::yield_now().await;
    let _driver = driver.drain();
    assert_eq!(waiter.await.unwrap(), Phase::Draining);
}

#[test]
fn each_phase_is_followed_by_the_next_and_the_last_by_none() {
    let all = std::iter::successors(Some(Phase::Starting), |it| it.next());
    let names: Vec<_> = all.map(Phase::name).collect();
    assert_eq!(
        names,
        [
            "starting",
            "ready",
            "lame-duck",
            "draining",
            "closing",
            "stopped"
        ]
    );
}

#[test]
fn a_blocked_thread_sees_the_change() {
    let driver = Driver::new();
    let phases = driver.phases();
    let waiter = std::thread::spawn(move || phases.wait(Phase::Ready, Duration::from_secs(60)));
    let _driver = driver.ready();
    assert_eq!(waiter.join().unwrap(), Phase::Ready);
}

#[test]
fn a_wait_that_times_out_returns_the_phase_it_found() {
    let driver = Driver::new();
    let now = driver.phases().wait(Phase::Ready, Duration::from_millis(5));
    assert_eq!(now, Phase::Starting);
}

/// A waker that does nothing but be counted.
struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Polls the futures once each, drops them, and tells how many wakers were held in between, and
/// how many still are.
fn wakers_held<F: Future>(futures: impl IntoIterator<Item = F>) -> (usize, usize) {
    let idle = Arc::new(Idle);
    let waker = Waker::from(idle.clone());
    let mut held: Vec<_> = futures.into_iter().map(Box::pin).collect();
    for future in &mut held {
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(matches!(poll, Poll::Pending));
    }
    // Two are ours.
    let during = Arc::strong_count(&idle) - 2;
    drop(held);
    (during, Arc::strong_count(&idle) - 2)
}

#[test]
fn a_waiter_for_a_phase_that_gives_up_leaves_nothing_behind() {
    let driver = Driver::new();
    let phases = driver.phases();
    let waiters = (0..10).map(|_| phases.reached(Phase::Ready));
    assert_eq!(wakers_held(waiters), (10, 0));
}

#[test]
fn a_waiter_for_empty_that_gives_up_leaves_nothing_behind() {
    let ledger = Ledger::new();
    let _token = ledger.track_unnamed();
    let waiters = (0..10).map(|_| ledger.empty());
    assert_eq!(wakers_held(waiters), (10, 0));
}

#[test]
fn what_is_tracked_is_told_by_kind_name_and_age() {
    let ledger = Ledger::new();
    let first = ledger.track("request", "GET /a");
    let second = ledger.track("request", Name::short("POST", "/orders/17").unwrap());
    let mut names: Vec<_> = ledger
        .snapshot()
        .iter()
        .map(|e| e.name.to_string())
        .collect();
    // The two may be of one age, to the clock's few milliseconds.
    names.sort();
    assert_eq!(names, ["GET /a", "POST /orders/17"]);
    assert_eq!(ledger.len(), 2);
    drop((first, second));
    assert!(ledger.is_empty() && ledger.snapshot().is_empty());
    assert_eq!(
        ledger.ended(),
        [Ended {
            kind: "request",
            count: 2
        }]
    );
}

#[test]
fn what_a_name_keeps_alive_goes_with_its_work() {
    let ledger = Ledger::new();
    let text = Arc::new("customers.csv");
    drop(ledger.track("import", Name::shared(text.clone())));
    assert_eq!(Arc::strong_count(&text), 1);
}

#[test]
fn lines_are_used_again_and_never_mixed_up() {
    let ledger = Ledger::new();
    let names = |ledger: &Ledger| -> Vec<String> {
        let mut names: Vec<_> = ledger
            .snapshot()
            .iter()
            .map(|e| e.name.to_string())
            .collect();
        names.sort();
        names
    };
    let mut guards: Vec<_> = (0..6)
        .map(|n| ledger.track("job", format!("job {n}")))
        .collect();
    drop(guards.remove(4));
    drop(guards.remove(1));
    guards.push(ledger.track("job", "job 6"));
    assert_eq!(
        names(&ledger),
        ["job 0", "job 2", "job 3", "job 5", "job 6"]
    );
    guards.clear();
    assert!(names(&ledger).is_empty());
}

#[test]
fn a_guard_knows_its_own_entry() {
    let ledger = Ledger::new();
    let _other = ledger.track("job", "receipt 1");
    let guard = ledger.track("import", "orders.csv".to_owned());
    let entry = guard.entry();
    assert_eq!(
        (entry.kind, entry.name.to_string()),
        ("import", "orders.csv".to_owned())
    );
    assert!(entry.age < Duration::from_secs(60));
}

#[tokio::test]
async fn empty_waits_for_the_last_of_both_sorts() {
    let ledger = Ledger::new();
    let (token, guard) = (ledger.track_unnamed(), ledger.track("job", "receipt 1"));
    let waiter = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.empty().await }
    });
    tokio::task::yield_now().await;
    std::thread::spawn(move || drop(guard)).join().unwrap();
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished());
    drop(token);
    waiter.await.unwrap();
}

#[test]
fn a_new_ledger_knows_nothing_of_an_older_one() {
    for _ in 0..100 {
        let ledger = Ledger::new();
        assert!(ledger.is_empty() && ledger.ended().is_empty() && ledger.snapshot().is_empty());
        let outlives_the_ledger = ledger.track("job", "late");
        drop(ledger.track("job", "in time"));
        drop(ledger);
        assert!(Ledger::new().is_empty());
        drop(outlives_the_ledger);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ledgers_that_are_gone_cost_no_memory() {
    let resident_kib = || -> u64 {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4
    };
    let before = resident_kib();
    for _ in 0..40_000 {
        let ledger = Ledger::new();
        drop(ledger.track("job", "one"));
    }
    let grown = resident_kib().saturating_sub(before);
    // Each is at least a kilobyte: 40 MB if none were used again. Other tests run meanwhile.
    assert!(grown < 16 * 1024, "grown by {grown} KiB");
}
