//! Targets that are not one address of TCP: a Unix socket, a name with several addresses.

mod server;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

#[test]
fn serves_when_another_test_asks_for_it() {
    server::serve_if_asked(|head, _| {
        let is_slow = head.starts_with("GET /slow");
        thread::sleep(Duration::from_millis(if is_slow { 1500 } else { 5 }));
        Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned())
    });
}

fn check(folder: &Path, place: &str, flags: &[&str]) -> Output {
    let small = "--get / --clients 4 --per-request 2 --rounds 1 --startup-rounds 0 --idle 0";
    Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .arg("check")
        .args(small.split(' '))
        .args(flags)
        .arg("--")
        .args(server::itself())
        .env(server::SERVE_ON, place)
        .current_dir(folder)
        .output()
        .expect("the command line starts")
}

#[test]
fn a_target_on_a_unix_socket_is_tried_near_and_far() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("shop.sock");
    let socket = socket.to_str().expect("UTF-8");
    for rtt in ["0ms", "40ms"] {
        let flags = ["--unix", socket, "--rtt", rtt, "--only", "within-grace"];
        let output = check(folder.path(), socket, &flags);
        let told = [&output.stdout[..], &output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(output.status.code(), Some(0), "{told}");
        let all = ["--unix", socket, "--rtt", rtt, "--slow", "/slow"];
        let output = check(folder.path(), socket, &all);
        let table = String::from_utf8_lossy(&output.stdout);
        // It dies by the signal.
        assert_eq!(output.status.code(), Some(1), "{table}");
        assert!(table.contains("✘  inflight-completes"), "{table}");
    }
    let listener = UnixListener::bind(folder.path().join("taken")).expect("a socket");
    let output = check(folder.path(), "/nowhere", &["--unix", "taken"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("already listens on taken"), "{error}");
    drop(listener);
}

#[test]
fn an_address_of_the_name_where_nobody_listens_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("its address").port()
    };
    let url = format!("http://localhost:{port}");
    let tell = |place: &str| {
        let flags = ["--url", &url, "--rtt", "0ms", "--only", "within-grace"];
        let output = check(folder.path(), place, &flags);
        let told = [&output.stdout[..], &output.stderr].concat();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&told)
        );
        String::from_utf8_lossy(&told).into_owned()
    };
    // As this machine has it: 127.0.0.1, and often ::1.
    let addresses = ("localhost", port).to_socket_addrs().expect("localhost");
    let addresses: BTreeSet<SocketAddr> = addresses.collect();
    for served in &addresses {
        let told = tell(&served.to_string());
        for other in &addresses {
            let line = format!("nobody listens on {other}");
            assert_eq!(told.contains(&line), other != served, "{line}\n{told}");
        }
    }
}
