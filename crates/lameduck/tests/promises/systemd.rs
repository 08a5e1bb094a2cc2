//! What systemd hears of a service's life (sd_notify(3)).
#![cfg(target_os = "linux")]

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::service::{Service, Start, until};

/// The manager's end of `NOTIFY_SOCKET`.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Manager { socket, folder }
    }

    fn start(&self, args: &[&str]) -> Service {
        self.start_with("200000", args)
    }

    fn start_with(&self, watchdog: &str, args: &[&str]) -> Service {
        let path = self.folder.path().join("notify");
        Start::new(args)
            .env("NOTIFY_SOCKET", path.to_str().unwrap())
            .env("WATCHDOG_USEC", watchdog)
            .serve()
    }

    /// The next message, if one comes in time.
    fn hears(&self, within: Duration) -> Option<String> {
        let mut message = [0; 1024];
        self.socket.set_read_timeout(Some(within)).unwrap();
        let n = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..n]).into_owned())
    }

    /// Waits for a message with this line in it.
    #[track_caller]
    fn hears_of(&self, line: &str) -> String {
        loop {
            match self.hears(Duration::from_secs(10)) {
                Some(message) if message.lines().any(|it| it == line) => return message,
                Some(_) => {}
                None => panic!("never heard of {line}"),
            }
        }
    }
}

#[test]
fn systemd_hears_ready_the_watchdog_and_stopping() {
    let manager = Manager::new();
    let service = manager.start(&[]);
    let first = manager.hears(Duration::from_secs(10)).unwrap();
    assert!(first.lines().any(|it| it == "READY=1"), "{first}");
    for _ in 0..3 {
        manager.hears_of("WATCHDOG=1");
    }
    service.term();
    let message = manager.hears_of("STOPPING=1");
    assert!(
        message.contains("STATUS=shutting down after SIGTERM"),
        "{message}"
    );
    service.ended().within_grace().exit(0);
}

#[test]
fn systemd_hears_nothing_from_a_blocked_runtime() {
    let manager = Manager::new();
    let service = manager.start(&["--threads", "0"]);
    manager.hears_of("WATCHDOG=1");
    let mut client = service.client();
    client.ask("/block");
    service.in_flight("request", "GET /block", 1);
    // What was sent before it blocked is still in the socket.
    while manager.hears(Duration::from_millis(1)).is_some() {}
    let silence = manager.hears(Duration::from_millis(800));
    assert_eq!(silence, None, "four times as long as it may be silent");
    service.term();
    service.ended().within_grace().exit(124);
}

#[test]
fn inflight_completes_although_the_manager_never_reads() {
    let manager = Manager::new();
    let fills = UnixDatagram::unbound().unwrap();
    fills.set_nonblocking(true).unwrap();
    let path = manager.folder.path().join("notify");
    while fills.send_to(b"STATUS=busy", &path).is_ok() {}
    // One thread: were it blocked, nobody would be answered.
    let service = manager.start(&["--threads", "0"]);
    let mut client = service.client();
    client.ask("/work?ms=500");
    until("the request", || {
        let status = service.status();
        let in_flight = status["in_flight"].as_array()?;
        in_flight
            .iter()
            .find(|it| it["kind"] == "request")
            .map(drop)
    });
    service.term();
    assert_eq!(client.answer().text(), "done");
    service.ended().within_grace().exit(0).nothing_let_go();
}

#[test]
fn systemd_hears_no_watchdog_where_it_is_off_and_nothing_panics() {
    for watchdog in ["0", "", "soon"] {
        let manager = Manager::new();
        let service = manager.start_with(watchdog, &[]);
        service.term();
        let mut heard = String::new();
        while !heard.contains("STOPPING=1") {
            heard = manager.hears(Duration::from_secs(10)).unwrap();
            assert!(!heard.contains("WATCHDOG=1"), "{watchdog}: {heard}");
        }
        let ended = service.ended();
        ended.exit(0).nothing_let_go();
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
}

#[test]
fn a_manager_that_is_gone_stops_nobody() {
    let service = Start::new(&[])
        .env("NOTIFY_SOCKET", "/nobody/listens/here")
        .serve();
    service.term();
    service.ended().within_grace().exit(0);
}
