//! `idle-exits`: peers that do nothing hold nobody hostage, and are not cut off either as long as
//! that costs nothing.

use std::time::Duration;

use crate::client::Client;
use crate::service::{Service, Start};

/// A service with so long a grace that whoever waits for it is seen.
fn patient() -> Service {
    Start::new(&[]).env("LAMEDUCK_GRACE", "20s").serve()
}

#[track_caller]
fn exits_soon(service: Service, soon: Duration) {
    service.term();
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < soon, "{:?}\n{}", ended.took, ended.stderr);
}

fn connections(service: &Service, count: usize) -> Vec<Client> {
    (0..count).map(|_| service.client()).collect()
}

#[test]
fn idle_exits_at_once_when_nobody_is_there() {
    exits_soon(patient(), Duration::from_millis(700));
}

#[test]
fn idle_exits_with_connections_between_two_requests() {
    let service = patient();
    let mut clients = connections(&service, 50);
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    exits_soon(service, Duration::from_secs(2));
}

#[test]
fn idle_exits_with_connections_that_never_said_a_word() {
    let service = patient();
    let _clients = connections(&service, 50);
    exits_soon(service, Duration::from_secs(2));
}

#[test]
fn idle_exits_with_heads_that_never_end() {
    let service = patient();
    let mut clients = connections(&service, 20);
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: te");
    }
    exits_soon(service, Duration::from_secs(3));
}

#[test]
fn idle_exits_with_heads_that_come_byte_by_byte() {
    let service = patient();
    let mut clients = connections(&service, 5);
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: ");
    }
    let dripping = std::thread::spawn(move || {
        // Until the service has had enough of each.
        while !clients.is_empty() {
            clients.retain_mut(|client| client.try_send("a").is_ok());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    exits_soon(service, Duration::from_secs(3));
    dripping.join().unwrap();
}

#[test]
fn idle_exits_with_http_2_peers_that_never_leave() {
    let service = patient();
    let mut clients = connections(&service, 5);
    for client in &mut clients {
        // The preface and an empty SETTINGS frame; nothing is ever answered, not even pings.
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    }
    exits_soon(service, Duration::from_secs(4));
}

#[test]
fn idle_exits_with_half_an_http_2_preface() {
    let service = patient();
    let mut client = service.client();
    client.send("PRI * HTTP/2.0\r\n");
    exits_soon(service, Duration::from_secs(3));
}
