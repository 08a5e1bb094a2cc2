//! What a connection may cost while the process serves: a peer that does nothing is sent away with a FIN,
//! and whoever comes when there are as many as there may be waits, and is not reset.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::service::{Start, until};

#[test]
fn no_reset_for_a_peer_that_says_nothing_and_it_is_gone_in_time() {
    let service = Start::new(&["--first-byte", "300"]).serve();
    let mut silent: Vec<Client> = (0..20).map(|_| service.client()).collect();
    let began = Instant::now();
    for client in &mut silent {
        client.ends_with_fin();
    }
    assert!(
        began.elapsed() > Duration::from_millis(200),
        "before its time"
    );
    let mut used = service.client();
    assert_eq!(used.get("/").status, 200);
    std::thread::sleep(Duration::from_millis(600));
    assert!(
        used.is_silent(),
        "this bound is not for who has asked something"
    );
    service.term();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn no_reset_for_a_connection_that_has_been_idle_and_it_is_gone_in_time() {
    let service = Start::new(&["--idle", "300"]).serve();
    let mut busy = service.client();
    busy.ask("/work?ms=1000");
    let mut idle: Vec<Client> = (0..20).map(|_| service.client()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200);
    }
    for client in &mut idle {
        client.ends_with_fin();
    }
    assert_eq!(busy.answer().text(), "done");
    service.term();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn accept_lossless_when_there_are_as_many_connections_as_there_may_be() {
    let service = Start::new(&["--most", "2"])
        .env("LAMEDUCK_GRACE", "10s")
        .serve();
    let mut there = [service.client(), service.client()];
    for client in &mut there {
        assert_eq!(client.get("/").status, 200);
    }
    let mut waits = service.client();
    waits.ask("/");
    std::thread::sleep(Duration::from_millis(300));
    assert!(waits.is_silent(), "a third one is served");
    drop(there);
    assert_eq!(waits.answer().status, 200);
    service.term();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn accept_lossless_for_whoever_waits_for_a_place_when_the_shutdown_begins() {
    let service = Start::new(&["--most", "1"])
        .env("LAMEDUCK_GRACE", "10s")
        .serve();
    let mut there = service.client();
    there.ask("/work?ms=800");
    service.in_flight("request", "GET /work", 1);
    let mut waiting: Vec<Client> = (0..10).map(|_| service.client()).collect();
    for client in &mut waiting {
        client.ask("/");
    }
    service.term();
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "hello");
    }
    assert_eq!(there.answer().text(), "done");
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn an_idle_service_sleeps() {
    let service = Start::new(&[]).serve();
    let switches = || {
        let mut all = 0_u64;
        for thread in std::fs::read_dir(format!("/proc/{}/task", service.id())).unwrap() {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let line = status
                .lines()
                .find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
            all += line.unwrap().trim().parse::<u64>().unwrap();
        }
        all
    };
    // Once the start is over.
    until("quiet", || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(200));
        (switches() == before).then_some(())
    });
    let before = switches();
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        switches() - before <= 1,
        "{} times in 3 s",
        switches() - before
    );
}
