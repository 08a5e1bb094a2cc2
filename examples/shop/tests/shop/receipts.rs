//! Receipts: each order gets one, through shutdowns and crashes, wherever orders and jobs are kept.

use std::time::{Duration, Instant};

use real_servers::{Nats, Postgres, RabbitMqServer, Redis, or_skip};
use rustix::process::Signal;
use serde_json::json;

use crate::service::{Shop, books};

/// One shop is stopped with jobs at work, fetched ahead and waiting; the next does what is left.
fn every_order_gets_its_receipt(place: &[&str]) {
    let mut args = vec!["--grace", "3s", "--workers", "4", "--lease", "3s"];
    args.extend(place);
    let shop = Shop::start(&args);
    for n in 0..20 {
        // Most are done in time, some are let go.
        shop.order_with_receipt(if n % 5 == 0 { 4000 } else { 20 });
    }
    shop.until("some run", |books| books["running"].as_i64() >= Some(4));
    shop.term();
    let (said, code) = shop.last_words();
    assert_eq!(code, Some(124), "{said}");
    assert!(said.contains("let go: job receipts "), "{said}");

    let between = books(place);
    assert_eq!(between["orders"], 20, "{between}");
    assert_eq!(
        between["running"], 0,
        "all are back in the queue: {between}"
    );
    let sent = between["receipts"].as_i64().unwrap();
    assert_eq!(between["pending"], 20 - sent, "{between}");

    let began = Instant::now();
    let shop = Shop::start(&args);
    shop.until("they run at once", |books| {
        books["running"].as_i64() >= Some(1)
    });
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "no lease is waited for"
    );
    let after = shop.until("all are sent", |books| books["receipts"] == 20);
    assert_eq!(after["pending"], 0, "{after}");
    shop.term();
    let (then, code) = shop.last_words();
    assert_eq!(code, Some(0), "{then}");
    let mut books = books(place);
    let ids = books["ids"].take();
    assert_eq!(ids.as_array().map(Vec::len), Some(20), "{ids}");
    assert_eq!(
        books,
        json!({"orders": 20, "receipts": 20, "duplicates": 0, "pending": 0, "running": 0, "ids": null}),
        "{said}\nand then\n{then}"
    );
}

/// One shop is killed with jobs at work; the next does what is left.
fn no_order_is_without_its_receipt_after_a_kill(place: &[&str]) {
    let mut args = vec!["--workers", "4", "--lease", "3s"];
    args.extend(place);
    let shop = Shop::start(&args);
    for _ in 0..10 {
        shop.order_with_receipt(200);
    }
    shop.until("some run", |books| books["running"].as_i64() >= Some(4));
    shop.signal(Signal::KILL);
    drop(shop);
    assert_eq!(books(place)["orders"], 10);
    let shop = Shop::start(&args);
    let after = shop.until("all are sent", |books| books["receipts"] == 10);
    assert_eq!(after["running"], 0, "{after}");
    shop.term();
    let (said, code) = shop.last_words();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn jobs_accounted_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    every_order_gets_its_receipt(&["--data", folder.path().to_str().unwrap()]);
}

#[test]
fn jobs_accounted_in_sqlite_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    no_order_is_without_its_receipt_after_a_kill(&["--data", folder.path().to_str().unwrap()]);
}

#[test]
fn jobs_accounted_in_postgres() {
    if let Some(postgres) = or_skip(Postgres::start()) {
        every_order_gets_its_receipt(&["--database", &postgres.url()]);
        let log = postgres.log();
        assert!(!log.contains("unexpected EOF"), "db-closed: {log}");
    }
}

#[test]
fn jobs_accounted_in_postgres_after_a_kill() {
    if let Some(postgres) = or_skip(Postgres::start()) {
        no_order_is_without_its_receipt_after_a_kill(&["--database", &postgres.url()]);
    }
}

#[test]
fn jobs_accounted_from_sqlite_through_the_outbox_to_postgres() {
    if let Some(postgres) = or_skip(Postgres::start()) {
        through_the_outbox(&postgres.url());
    }
}

#[test]
fn jobs_accounted_from_sqlite_through_the_outbox_to_redis() {
    if let Some(redis) = or_skip(Redis::start()) {
        through_the_outbox(&redis.url());
    }
}

#[test]
fn jobs_accounted_from_sqlite_through_the_outbox_to_rabbitmq() {
    if let Some(rabbitmq) = or_skip(RabbitMqServer::start()) {
        through_the_outbox(&rabbitmq.url());
    }
}

#[test]
fn jobs_accounted_from_sqlite_through_the_outbox_to_nats() {
    if let Some(nats) = or_skip(Nats::start()) {
        through_the_outbox(&nats.url());
    }
}

/// A shutdown and a kill, one after the other, on the same broker.
fn through_the_outbox(queue: &str) {
    for scenario in [
        every_order_gets_its_receipt,
        no_order_is_without_its_receipt_after_a_kill,
    ] {
        let folder = tempfile::tempdir().unwrap();
        scenario(&["--data", folder.path().to_str().unwrap(), "--queue", queue]);
    }
}
