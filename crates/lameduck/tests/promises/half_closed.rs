//! `inflight-completes` for a peer that sends its FIN right behind its request and still reads, as `nc -N`
//! does. And one that is really gone holds nobody.

use std::time::Duration;

use rustix::process::Signal;

use crate::certificates::Files;
use crate::client::{Client, get, post};
use crate::service::{Service, Start, until};

/// Sends a whole request and its FIN, and gets the answer and a FIN.
#[track_caller]
fn is_answered(mut client: Client, request: &str, body: &str) {
    client.send(request);
    client.finish();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, body));
    client.ends_with_fin();
}

/// Each kind of request that can be followed by a FIN.
fn requests() -> [(String, &'static str); 5] {
    let http_1_0 = |path| format!("GET {path} HTTP/1.0\r\n\r\n");
    [
        (get("/"), "hello"),
        (get("/work?ms=200"), "done"),
        (http_1_0("/"), "hello"),
        (http_1_0("/work?ms=200"), "done"),
        (format!("{}hello", post("/upload", 5)), "5"),
    ]
}

#[test]
fn inflight_completes_for_a_peer_that_has_sent_its_fin_while_ready() {
    let service = Service::plain();
    for (request, body) in requests() {
        is_answered(service.client(), &request, body);
    }
    service.term();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn inflight_completes_for_a_peer_that_has_sent_its_fin_in_the_lame_duck_phase() {
    let service = Start::new(&[])
        .env("LAMEDUCK_GRACE", "10s")
        .env("LAMEDUCK_LAME_DUCK", "5s")
        .serve();
    service.term();
    service.phase("lame-duck");
    for (request, body) in requests() {
        is_answered(service.client(), &request, body);
    }
    service.signal(Signal::TERM);
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn inflight_completes_for_a_peer_that_has_sent_its_fin_in_the_drain() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "10s").serve();
    let mut holds = service.client();
    holds.ask("/work?ms=1500");
    service.in_flight("request", "GET /work", 1);
    let clients: Vec<_> = requests()
        .into_iter()
        .map(|it| (service.client(), it))
        .collect();
    service.term();
    service.phase("draining");
    for (client, (request, body)) in clients {
        is_answered(client, &request, body);
    }
    assert_eq!(holds.answer().text(), "done");
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn inflight_completes_for_a_peer_that_sends_its_fin_while_the_shutdown_begins() {
    let service = Service::patient();
    let mut clients: Vec<Client> = (0..20).map(|_| service.client()).collect();
    for client in &mut clients {
        client.ask("/work?ms=600");
        client.finish();
    }
    service.in_flight("request", "GET /work", 20);
    service.term();
    for client in &mut clients {
        assert_eq!(client.answer().text(), "done");
        client.ends_with_fin();
    }
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn inflight_completes_over_tls_for_a_peer_that_has_sent_close_notify_or_only_its_fin() {
    let files = Files::new();
    let service = files.start(&[]).serve();
    for close_notify in [true, false] {
        for path in ["/", "/work?ms=200"] {
            let mut client = files.client(&service);
            client.ask(path);
            if close_notify {
                client.finish();
            } else {
                let socket = &client.session().sock;
                socket.shutdown(std::net::Shutdown::Write).unwrap();
            }
            assert_eq!(client.answer().status, 200);
            client.ends_with_fin();
        }
    }
    service.term();
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn idle_exits_though_a_peer_has_reset_its_connection_while_its_request_was_answered() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let mut gone = service.client();
    gone.ask("/never");
    service.in_flight("request", "GET /never", 1);
    gone.reset();
    service.not_in_flight("request", "GET /never");
    service.term();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(10), "{ended:?}");
}

#[test]
fn idle_exits_though_a_peer_has_sent_its_fin_and_later_a_reset() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve();
    let mut gone = service.client();
    gone.ask("/never");
    gone.finish();
    service.in_flight("request", "GET /never", 1);
    gone.reset();
    service.not_in_flight("request", "GET /never");
    service.term();
    service.ended().exit(0).nothing_let_go();
}

/// In how many hundredths of a second the system next asks whether the peer from this port is there; `None`
/// if it does not.
fn next_probe(client_port: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let peer = format!("0100007F:{client_port:04X}");
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(2);
        if columns.next() != Some(&peer) {
            return None;
        }
        // The state, the queues, and then which timer runs and for how long; 2 is ours.
        let when = columns.nth(2)?.strip_prefix("02:")?;
        u64::from_str_radix(when, 16).ok()
    })
}

#[test]
fn idle_exits_soon_after_a_peer_is_gone_that_had_sent_its_fin_because_the_system_asks_often() {
    let service = Service::patient();
    let mut client = service.client();
    client.ask("/never");
    service.in_flight("request", "GET /never", 1);
    let before = next_probe(client.port());
    assert!(before.is_some_and(|it| it > 5_000), "{before:?}");
    client.finish();
    until("asked every 5 s", || {
        next_probe(client.port()).filter(|it| *it <= 500)
    });
    client.reset();
    service.not_in_flight("request", "GET /never");
    service.term();
    service.ended().exit(0).nothing_let_go();
}
