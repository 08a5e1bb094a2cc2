//! `keepalive-lossless`, `close-announced`, `no-reset`, `inflight-completes`: what a client of
//! HTTP/1.x sees of a shutdown.

use std::thread;
use std::time::Duration;

use crate::client::{Client, get, post};
use crate::service::{Service, Start};

/// A service that drains for `ms`, the request that keeps it busy for so long, and `idle`
/// connections that have been used once before.
fn draining(ms: u64, idle: usize) -> (Service, Client, Vec<Client>) {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "6s").serve();
    let mut clients: Vec<Client> = (0..idle).map(|_| service.client()).collect();
    for client in &mut clients {
        assert!(!client.get("/").says_close());
    }
    let path = format!("/work?ms={ms}");
    let mut busy = service.client();
    busy.ask(&path);
    service.in_flight("request", &format!("GET {path}"), 1);
    service.term();
    service.phase("draining");
    (service, busy, clients)
}

fn ends_well(service: Service, mut busy: Client) {
    let answer = busy.answer();
    assert_eq!(answer.text(), "done");
    assert!(answer.says_close());
    busy.ends_with_fin();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn keepalive_lossless_an_idle_connection_is_kept_answered_and_then_sent_away() {
    let (service, busy, idle) = draining(800, 1);
    let [mut idle] = <[Client; 1]>::try_from(idle).ok().unwrap();
    // Longer than any fixed quiet time: while something is in flight, waiting costs nothing.
    thread::sleep(Duration::from_millis(400));
    assert!(idle.is_silent(), "closed under the client");
    let answer = idle.get("/");
    assert_eq!(answer.text(), "hello");
    assert!(answer.says_close());
    idle.ends_with_fin();
    ends_well(service, busy);
}

#[test]
fn no_reset_an_idle_connection_that_asks_nothing_ends_with_fin() {
    let service = Service::plain();
    let mut clients: Vec<Client> = (0..20).map(|_| service.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    service.term();
    for client in &mut clients {
        client.ends_with_fin();
    }
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn keepalive_lossless_the_first_byte_may_come_200_ms_after_the_signal() {
    let service = Service::plain();
    let mut fresh = service.client();
    service.term();
    thread::sleep(Duration::from_millis(200));
    let answer = fresh.get("/");
    assert_eq!(answer.text(), "hello");
    assert!(answer.says_close());
    fresh.ends_with_fin();
    service.ended().within_grace().exit(0);
}

#[test]
fn keepalive_lossless_a_request_half_sent_at_the_signal_is_answered() {
    let service = Service::plain();
    let mut client = service.client();
    let (first, second) = ("GET /work?ms=100 HT", "TP/1.1\r\nHost: test\r\n\r\n");
    client.send(first);
    service.term();
    service.phase("draining");
    thread::sleep(Duration::from_millis(200));
    client.send(second);
    assert_eq!(client.answer().text(), "done");
    client.ends_with_fin();
    service.ended().within_grace().exit(0);
}

#[test]
fn no_reset_when_a_request_is_pipelined_behind_the_last_answer() {
    let (service, busy, idle) = draining(1500, 10);
    for mut client in idle {
        client.send(get("/work?ms=20") + &get("/work?ms=20") + &get("/"));
        // The answers are read late: a reset on the heels of the first would have destroyed it.
        thread::sleep(Duration::from_millis(60));
        let answer = client.answer();
        assert_eq!(answer.text(), "done");
        assert!(answer.says_close());
        client.ends_with_fin();
    }
    ends_well(service, busy);
}

#[test]
fn what_came_behind_the_last_answer_is_counted_and_nothing_else() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let mut clients: Vec<Client> = (0..4).map(|_| service.client()).collect();
    // Together, only a part, later, and nothing.
    clients[0].send(get("/work?ms=1000") + &get("/"));
    clients[1].send(get("/work?ms=1000") + "GET /");
    clients[2].ask("/work?ms=1000");
    clients[3].ask("/work?ms=1000");
    service.in_flight("request", "GET /work", 4);
    let mut unread = service.client();
    unread.send(post("/locked", 100_000));
    assert_eq!(unread.answer().status, 401);
    service.not_in_flight("request", "POST /locked");
    service.term();
    service.phase("draining");
    clients[2].ask("/");
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!(answer.text(), "done");
        assert!(answer.says_close());
        client.ends_with_fin();
    }
    drop((clients, unread));
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert_eq!(ended.report["finished"]["request"], 4, "{}", ended.report);
    assert_eq!(ended.report["behind_close"], 3, "{}", ended.report);
    let line = "not read: what came behind an answer that said close, on 3 connections";
    assert!(ended.stderr.contains(line), "{}", ended.stderr);
}

#[test]
fn no_reset_when_an_upload_is_answered_without_being_read() {
    const MEGABYTE: usize = 1 << 20;
    for stopping in [false, true] {
        let service = Service::plain();
        let mut client = service.client();
        let (first, second) = (vec![b'u'; MEGABYTE / 2], vec![b'u'; MEGABYTE / 2]);
        client.send(post("/locked", MEGABYTE));
        if stopping {
            service.term();
        }
        client.send(first);
        // The answer has come by now; who sends first and reads later must still find it.
        thread::sleep(Duration::from_millis(50));
        client.send(second);
        assert_eq!(client.answer().status, 401, "stopping: {stopping}");
        drop(client);
        service.term();
        service.ended().within_grace().exit(0);
    }
}

#[test]
fn inflight_completes_for_http_1_0() {
    let service = Service::plain();
    let mut client = service.client();
    client.send("GET /work?ms=300 HTTP/1.0\r\n\r\n");
    service.in_flight("request", "GET /work", 1);
    service.term();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "done"));
    client.ends_with_fin();
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn close_announced_to_http_1_0_that_asked_to_keep_alive() {
    let (service, busy, mut idle) = draining(600, 1);
    let client = &mut idle[0];
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.text(), "hello");
    // There, it is announced by not saying `keep-alive`.
    assert_ne!(answer.header("connection"), Some("keep-alive"));
    client.ends_with_fin();
    ends_well(service, busy);
}

#[test]
fn keepalive_lossless_half_a_request_behind_one_that_was_answered_is_one_on_its_way() {
    let service = Service::patient();
    let (request, behind) = (get("/"), get("/work?ms=1"));
    let (first, rest) = behind.split_at(20);
    let mut client = service.client();
    client.send(format!("{request}{first}"));
    assert!(!client.answer().says_close());
    service.term();
    service.phase("draining");
    // Longer than an idle connection is kept, and less than a head may take.
    thread::sleep(Duration::from_millis(500));
    client.send(rest);
    assert_eq!(client.answer().text(), "done");
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn keepalive_lossless_for_a_pool_that_takes_a_spare_connection_after_a_slow_answer() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let (mut slow, mut spare) = (service.client(), service.client());
    assert_eq!(spare.get("/").status, 200);
    // The server has seen a pause of half a second, so that it waits for twice as long.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(spare.get("/").status, 200);
    slow.ask("/work?ms=2500");
    service.in_flight("request", "GET /work", 1);
    service.term();
    let answer = slow.answer();
    assert!(answer.says_close());
    // As a pool that does not look for a FIN each time.
    thread::sleep(Duration::from_millis(100));
    let next = spare.get("/");
    assert_eq!((next.status, next.says_close()), (200, true));
    drop(slow);
    service.ended().exit(0).nothing_let_go();
}
