//! `live-holds` at the limit of file descriptors: a process with too many connections is alive.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::client::Client;
use crate::service::{PATIENT, Service, Start, program, until};

/// The service, which may have so many descriptors.
fn limited(most: &str, args: &[&str]) -> Start {
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--nofile={most}"))
        .arg(program())
        .args(args);
    Start::command(command)
}

/// The probes answer, again and again, on a new connection each.
fn is_alive(service: &Service, path: &str) {
    for nth in 0..50 {
        let (status, text) = service.probe(path);
        assert_eq!(status, 200, "{path}, time {nth}: {text}");
    }
}

#[test]
fn live_holds_with_more_connections_than_descriptors_and_all_are_served() {
    let service = limited("64", &[]).serve();
    let mut idle: Vec<Client> = (0..100).map(|_| service.client()).collect();
    is_alive(&service, "/livez");
    is_alive(&service, "/readyz");
    // Whoever has no place yet waits in the queue.
    let mut last = idle.pop().unwrap();
    last.ask("/");
    drop(idle);
    assert_eq!(last.answer().text(), "hello");
    let _idle: Vec<Client> = (0..100).map(|_| service.client()).collect();
    is_alive(&service, "/livez");
    service.term();
    let ended = service.ended();
    ended.within_grace().exit(0).nothing_let_go();
}

#[test]
fn accept_lossless_although_the_signal_finds_every_descriptor_used() {
    let service = limited("64", &[]).env("LAMEDUCK_GRACE", "10s").serve();
    // They keep their descriptors for longer than a close may take otherwise.
    let mut slow: Vec<Client> = (0..4).map(|_| service.client()).collect();
    for client in &mut slow {
        client.ask("/work?ms=1300");
    }
    let _idle: Vec<Client> = (0..60).map(|_| service.client()).collect();
    let mut waiting: Vec<Client> = (0..4).map(|_| service.client()).collect();
    for client in &mut waiting {
        client.ask("/");
    }
    service.term();
    for client in &mut slow {
        assert_eq!(client.answer().text(), "done");
    }
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "hello");
    }
    let ended = service.ended();
    ended
        .within(Duration::from_secs(10))
        .exit(0)
        .nothing_let_go();
}

#[test]
fn live_holds_while_the_application_takes_every_descriptor_there_is() {
    // Ends with what is left to a process whose every descriptor is taken, on a busy machine too.
    let grace = format!("{}s", PATIENT.as_secs());
    let service = limited("80", &["--fault", "eats-descriptors"])
        .env("LAMEDUCK_GRACE", &grace)
        .serve();
    until("the last descriptor", || {
        let is_open =
            |number| Path::new(&format!("/proc/{}/fd/{number}", service.pid())).is_symlink();
        (0..80).all(is_open).then_some(())
    });
    // Those that are kept for the probes are kept for whoever comes next.
    let idle: Vec<Client> = (0..20).map(|_| service.admin()).collect();
    is_alive(&service, "/livez");
    is_alive(&service, "/readyz");
    drop(idle);
    is_alive(&service, "/livez");
    service.term();
    service.ended().within(PATIENT).exit(0);
}
