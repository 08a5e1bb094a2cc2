//! `accept-lossless`: no established connection is reset unserved.

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::{Client, get};
use crate::service::{Service, Start, program, until};

/// What one client of a flood saw.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    lost: AtomicUsize,
    first_loss: std::sync::OnceLock<String>,
    stop: AtomicBool,
}

impl Seen {
    /// Connects, asks, reads the answer, closes, and so on until refused.
    fn flood(&self, addr: &str) {
        while !self.stop.load(Relaxed) {
            let Ok(mut client) = Client::try_connect(addr) else {
                return;
            };
            let answered = client
                .try_send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                .and_then(|()| client.try_answer())
                .and_then(|answer| match answer.status {
                    200 => client.rest(),
                    status => Err(io::Error::other(format!("status {status}"))),
                });
            match answered {
                Ok(_) => self.answered.fetch_add(1, Relaxed),
                Err(e) => {
                    let _ = self.first_loss.set(e.to_string());
                    self.lost.fetch_add(1, Relaxed)
                }
            };
        }
    }
}

#[test]
fn accept_lossless_under_a_flood() {
    for _ in 0..3 {
        let service = Service::plain();
        let seen = Arc::new(Seen::default());
        let clients: Vec<_> = (0..64)
            .map(|_| {
                let (seen, addr) = (seen.clone(), service.api.clone());
                thread::spawn(move || seen.flood(&addr))
            })
            .collect();
        until("the flood", || {
            (seen.answered.load(Relaxed) > 500).then_some(())
        });
        service.term();
        let ended = service.ended();
        seen.stop.store(true, Relaxed);
        for client in clients {
            client.join().unwrap();
        }
        ended.within_grace().exit(0).nothing_let_go();
        let lost = seen.lost.load(Relaxed);
        assert_eq!(lost, 0, "{:?}", seen.first_loss.get());
    }
}

#[test]
fn accept_lossless_for_connections_that_wait_to_be_accepted() {
    // Its only thread is busy when they come, and when the signal does.
    let service = Start::new(&["--threads", "0"]).serve();
    let mut busy = service.client();
    busy.send(get("/nap?ms=400"));
    service.in_flight("request", "GET /nap", 1);
    let mut waiting: Vec<Client> = (0..50).map(|_| service.client()).collect();
    service.term();
    for client in &mut waiting {
        client.ask("/");
    }
    assert_eq!(busy.answer().text(), "done");
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "hello");
        client.ends_with_fin();
    }
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn accept_lossless_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let addr = format!("unix:{}", folder.path().join("api.sock").display());
    let service = Start::new(&["--threads", "0", "--listen", &addr]).serve();
    assert_eq!(service.api, addr);
    let mut busy = service.client();
    busy.ask("/nap?ms=400");
    service.in_flight("request", "GET /nap", 1);
    let mut waiting: Vec<Client> = (0..50).map(|_| service.client()).collect();
    service.term();
    for client in &mut waiting {
        client.ask("/");
    }
    assert_eq!(busy.answer().text(), "done");
    for client in &mut waiting {
        assert_eq!(client.answer().text(), "hello");
        client.ends_with_fin();
    }
    service.ended().within_grace().exit(0).nothing_let_go();
    assert!(!folder.path().join("api.sock").exists(), "left behind");
}

#[test]
fn accept_lossless_when_there_are_no_more_file_descriptors() {
    const CLIENTS: usize = 60;
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -n 40; exec "$0""#])
        .arg(program());
    let service = Start::command(command).env("LAMEDUCK_GRACE", "6s").serve();
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (mut client, answered) = (service.client(), answered.clone());
            thread::spawn(move || {
                assert_eq!(client.get("/").text(), "hello");
                answered.fetch_add(1, Relaxed);
                client.ends_with_fin();
            })
        })
        .collect();
    // Those that fit keep what they have; the others wait in the queue.
    until("the first", || (answered.load(Relaxed) > 10).then_some(()));
    assert!(answered.load(Relaxed) < CLIENTS, "all of them fit");
    service.term();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(answered.load(Relaxed), CLIENTS);
    service.ended().exit(0).nothing_let_go();
}

#[test]
fn a_unix_socket_left_behind_by_a_kill_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let addr = format!("unix:{}", folder.path().join("api.sock").display());
    let first = Start::new(&["--listen", &addr]).serve();
    // Another process has it: refused.
    let ended = Start::new(&["--listen", &addr]).run();
    ended.exit(1);
    assert!(
        ended.stderr.contains("another process has it"),
        "{}",
        ended.stderr
    );
    first.signal(rustix::process::Signal::KILL);
    assert_eq!(first.ended().killed_by, Some(9));
    let second = Start::new(&["--listen", &addr]).serve();
    assert_eq!(second.client().get("/").text(), "hello");
    second.term();
    second.ended().within_grace().exit(0);
}

#[test]
fn no_orphans_the_port_is_free_for_the_next_at_once() {
    let first = Service::plain();
    let addr = first.api.clone();
    let mut client = first.client();
    assert_eq!(client.get("/").status, 200);
    first.term();
    client.ends_with_fin();
    first.ended().within_grace().exit(0);
    // The connection's remains are in TIME_WAIT on the port.
    let second = Start::new(&["--listen", &addr]).serve();
    assert_eq!(second.client().get("/").text(), "hello");
    second.term();
    second.ended().within_grace().exit(0);
}

#[test]
fn a_connection_that_comes_after_the_end_is_refused_not_reset() {
    let service = Start::new(&[]).env("LAMEDUCK_GRACE", "6s").serve();
    let mut busy = service.client();
    busy.ask("/work?ms=1500");
    service.in_flight("request", "GET /work", 1);
    service.term();
    service.phase("draining");
    // The listener goes while the request drains: who comes then is refused, or served if it came
    // just in time, but never half way in.
    until("a refusal", || match Client::try_connect(&service.api) {
        Ok(mut client) => {
            assert_eq!(client.get("/").text(), "hello");
            None
        }
        Err(e) => {
            assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused);
            Some(())
        }
    });
    assert_eq!(service.status()["phase"], "draining");
    assert_eq!(busy.answer().text(), "done");
    let ended = service.ended();
    ended.exit(0).nothing_let_go();
    assert!(ended.took < Duration::from_secs(4));
}

/// The only connection waits to be accepted when the signal comes: the process stands still until both have.
#[test]
fn accept_lossless_for_the_only_connection_of_an_idle_server() {
    for threads in ["0", "2"] {
        for _ in 0..10 {
            let service = Start::new(&["--threads", threads]).serve();
            service.signal(Signal::STOP);
            let mut client = service.client();
            client.ask("/");
            service.term();
            service.signal(Signal::CONT);
            assert_eq!(client.answer().text(), "hello");
            service.ended().exit(0).nothing_let_go();
        }
    }
}
