//! Orders: what was answered is in the books, whatever happens after.

use std::io::Write;
use std::net::TcpStream;

use rustix::process::{Pid, Signal, kill_process};

use crate::service::{PATIENCE, PENCIL, Shop, answer, json, ledger};

#[test]
fn an_order_that_was_answered_is_there_after_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::in_folder(folder.path());
    let (status, body) = shop.order(PENCIL);
    assert_eq!(status, 201);
    let id = json(&body)["id"].as_i64().unwrap();
    assert_eq!(shop.stop(), Some(0));
    assert_eq!(ledger(folder.path())["orders"], 1);

    let shop = Shop::in_folder(folder.path());
    let (status, body) = shop.get(&format!("/orders/{id}"));
    assert_eq!(status, 200);
    assert_eq!(json(&body)["item"], "pencil");
    assert_eq!(json(&body)["quantity"], 3);
    assert_eq!(shop.get(&format!("/orders/{}", id + 1)).0, 404);
    assert_eq!(json(&shop.get("/ledger").1)["orders"], 1);
    assert_eq!(shop.stop(), Some(0));
}

#[test]
fn an_order_that_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::in_folder(folder.path());
    assert_eq!(shop.order(PENCIL).0, 201);
    kill_process(Pid::from_child(&shop.child), Signal::KILL).unwrap();
    assert_eq!(shop.ended(), None);
    assert_eq!(ledger(folder.path())["orders"], 1);
}

#[test]
fn an_order_that_is_half_sent_at_the_signal_is_taken_and_answered() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::in_folder(folder.path());
    let mut half = TcpStream::connect(&shop.http).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        PENCIL.len()
    );
    half.write_all(head.as_bytes()).unwrap();
    shop.term();
    // It drains when it says so.
    while !shop
        .said
        .recv_timeout(PATIENCE)
        .unwrap()
        .contains("phase=draining")
    {}
    half.write_all(PENCIL.as_bytes()).unwrap();
    let (status, _) = answer(half);
    assert_eq!(status, 201);
    assert_eq!(shop.ended(), Some(0));
    assert_eq!(ledger(folder.path())["orders"], 1);
}

#[test]
fn an_order_that_cannot_be_is_refused_and_not_booked() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::in_folder(folder.path());
    for bad in [
        r#"{"item":"","quantity":1}"#,
        r#"{"item":"pen","quantity":0}"#,
    ] {
        assert_eq!(shop.order(bad).0, 400, "{bad}");
    }
    assert!((400..500).contains(&shop.order("no JSON").0));
    assert_eq!(shop.stop(), Some(0));
    assert_eq!(ledger(folder.path())["orders"], 0);
}
