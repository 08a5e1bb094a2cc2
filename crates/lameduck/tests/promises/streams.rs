//! `upload-completes`, `download-completes`: bodies half way through at the signal reach their
//! end, at the speed of whoever is slower.

use std::thread;
use std::time::Duration;

use crate::client::post;
use crate::service::{PATIENT, Service, Start};

#[test]
fn upload_completes_when_half_of_it_was_sent_at_the_signal() {
    let service = Service::plain();
    let mut client = service.client();
    client.send(post("/upload", 200_000));
    client.send([b'u'; 100_000]);
    service.in_flight("request", "POST /upload", 1);
    service.term();
    service.phase("draining");
    for _ in 0..10 {
        client.send([b'u'; 10_000]);
        thread::sleep(Duration::from_millis(30));
    }
    let answer = client.answer();
    assert_eq!(answer.text(), "200000");
    assert!(answer.says_close());
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn upload_completes_when_it_waits_to_be_asked_to_go_on() {
    let service = Service::plain();
    let mut client = service.client();
    client.send(
        "POST /upload HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    service.term();
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "5");
    client.ends_with_fin();
    service.ended().within_grace().exit(0);
}

#[test]
fn upload_completes_in_chunks() {
    let service = Service::plain();
    let mut client = service.client();
    client
        .send("POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    service.in_flight("request", "POST /upload", 1);
    service.term();
    service.phase("draining");
    client.send("lo\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "5");
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn upload_completes_or_is_let_go_by_name_when_it_never_ends() {
    let service = Service::patient();
    let mut client = service.client();
    client.send(post("/upload", 1000) + "the beginning");
    service.in_flight("request", "POST /upload", 1);
    service.term();
    let answer = client.answer();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    let ended = service.ended();
    ended
        .within(PATIENT)
        .exit(124)
        .let_go("request", "POST /upload");
}

#[test]
fn download_completes_when_half_of_it_was_read_at_the_signal() {
    let service = Service::patient();
    let mut client = service.client();
    client.ask("/stream?ms=500");
    assert!(client.head().unwrap().starts_with("HTTP/1.1 200"));
    service.term();
    let body = client.rest().unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains("chunk 9\n") && body.ends_with("0\r\n\r\n"),
        "{body}"
    );
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn download_completes_for_a_slow_reader() {
    const BYTES: usize = 20_000_000;
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "15s").serve();
    let mut client = service.client();
    client.ask(&format!("/big?bytes={BYTES}"));
    client.head().unwrap();
    service.term();
    // Far more than the buffers of both sockets hold, over 2 s: longer than any single wait.
    for _ in 0..20 {
        client.exactly(BYTES / 20).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    client.ends_with_fin();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(
        ended.took >= Duration::from_millis(1500),
        "{:?}",
        ended.took
    );
}
