//! The database goes away at the worst moment: the shop ends in time and says what is stuck.

use std::time::{Duration, Instant};

use real_servers::{Postgres, or_skip};
use rustix::process::{Pid, Signal, kill_process};

use crate::service::{PATIENCE, Shop};

/// A shop with four receipts at work that take `receipt_ms`, on a database of its own.
fn at_work(receipt_ms: u64) -> Option<(Postgres, Shop)> {
    let postgres = or_skip(Postgres::start())?;
    let shop = start(&postgres);
    for _ in 0..4 {
        shop.order_with_receipt(receipt_ms);
    }
    shop.works_on(4);
    Some((postgres, shop))
}

fn start(postgres: &Postgres) -> Shop {
    let place = ["--database", &postgres.url()];
    Shop::start(&[&["--grace", "5s", "--lease", "3s"], &place[..]].concat())
}

/// Sends SIGTERM and waits until it drains.
fn drains(shop: &Shop) {
    shop.term();
    while !shop
        .said
        .recv_timeout(PATIENCE)
        .unwrap()
        .contains("phase=draining")
    {}
}

#[test]
fn stuck_told_when_the_database_never_comes_back() {
    let Some((mut postgres, shop)) = at_work(500) else {
        return;
    };
    drains(&shop);
    let began = Instant::now();
    postgres.kill();
    let (said, code) = shop.last_words();
    assert!(began.elapsed() < Duration::from_secs(5), "within-grace");
    assert_eq!(code, Some(124), "{said}");
    assert_eq!(said.matches("let go: job receipts ").count(), 4, "{said}");
    assert!(said.contains("not given back: "), "{said}");

    postgres.start_again();
    let shop = start(&postgres);
    shop.until("all are sent by the next", |books| books["receipts"] == 4);
    assert_eq!(shop.stop(), Some(0));
}

#[test]
fn jobs_accounted_when_the_database_comes_back_during_the_drain() {
    let Some((mut postgres, shop)) = at_work(500) else {
        return;
    };
    drains(&shop);
    postgres.kill();
    std::thread::sleep(Duration::from_secs(1));
    postgres.start_again();
    let (said, code) = shop.last_words();
    assert_eq!(code, Some(0), "{said}");
    let shop = start(&postgres);
    shop.until("all are sent by the next", |books| books["receipts"] == 4);
    assert_eq!(shop.stop(), Some(0));
}

#[test]
fn stuck_told_when_the_database_does_not_answer() {
    let Some((postgres, shop)) = at_work(500) else {
        return;
    };
    drains(&shop);
    let began = Instant::now();
    for process in postgres.processes() {
        let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
        let _ = kill_process(process, Signal::STOP);
    }
    let (said, code) = shop.last_words();
    assert!(began.elapsed() < Duration::from_secs(5), "within-grace");
    assert_eq!(code, Some(124), "{said}");
    assert_eq!(said.matches("let go: job receipts ").count(), 4, "{said}");
    assert!(said.contains("not given back: "), "{said}");
}

#[test]
fn a_lease_that_another_worker_has_taken_is_told() {
    let Some((postgres, first)) = at_work(60_000) else {
        return;
    };
    // It stands still for longer than its lease, and another takes its jobs over.
    first.signal(Signal::STOP);
    let second = start(&postgres);
    let deadline = Instant::now() + PATIENCE;
    let mut taken_over = 0;
    while taken_over < 4 {
        let line = second.said.recv_timeout(deadline - Instant::now()).unwrap();
        taken_over += usize::from(line.contains("receipt once more"));
    }
    first.term();
    first.signal(Signal::CONT);
    let (said, code) = first.last_words();
    assert_eq!(code, Some(124), "{said}");
    let told =
        |line: &&str| line.contains("let go: job receipts ") && line.contains("another worker");
    assert_eq!(said.lines().filter(told).count(), 4, "{said}");
}
