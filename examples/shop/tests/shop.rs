//! The shop as a process: what it was trusted with is there when it is gone.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "everything in here is a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command.args(args).stdin(Stdio::null());
    for (variable, _) in std::env::vars() {
        let foreign = ["SHOP_", "LAMEDUCK_", "LISTEN_", "KUBERNETES_", "RUST_LOG"];
        if foreign.iter().any(|start| variable.starts_with(start)) {
            command.env_remove(variable);
        }
    }
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// A shop that serves; killed when dropped.
struct Shop {
    child: Child,
    said: Receiver<String>,
    http: String,
    /// Where its orders are, if it chose that itself.
    temporary: Option<String>,
}

impl Shop {
    fn start(args: &[&str]) -> Shop {
        let mut child = command(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(args)
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (line, said) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let line = line.clone();
            std::thread::spawn(move || {
                for it in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = line.send(it);
                }
            });
        }
        let mut shop = Shop {
            child,
            said,
            http: String::new(),
            temporary: None,
        };
        loop {
            let line = shop.said.recv_timeout(PATIENCE).unwrap();
            if line.contains("component=\"http\"") {
                shop.http = line.split('"').rev().nth(1).unwrap().to_owned();
            }
            if let Some(rest) = line.strip_prefix("shop: keeps its orders in ") {
                shop.temporary = rest.split(' ').next().map(str::to_owned);
            }
            if line.contains("phase=ready") {
                return shop;
            }
        }
    }

    fn in_folder(folder: &Path) -> Shop {
        Shop::start(&["--data", folder.to_str().unwrap()])
    }

    /// Sends a request, and does not read what comes of it yet.
    fn ask(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: \
             application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn get(&self, path: &str) -> (u16, String) {
        answer(self.ask(&format!("GET {path}"), ""))
    }

    fn order(&self, body: &str) -> (u16, String) {
        answer(self.ask("POST /orders", body))
    }

    fn term(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Its exit code.
    fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    fn stop(self) -> Option<i32> {
        self.term();
        self.ended()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body; the server closes after them.
fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut whole = String::new();
    stream.read_to_string(&mut whole).unwrap();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What `shop ledger` says while no shop runs.
fn ledger(folder: &Path) -> Value {
    let output = run(&["ledger", "--data", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

const PENCIL: &str = r#"{"item":"pencil","quantity":3}"#;

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

#[test]
fn sse_ends_on_an_event_boundary_and_says_when_to_come_back() {
    let shop = Shop::start(&[]);
    let mut stream = shop.ask("GET /events", "");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: event 3\n\n") {
        let mut some = [0; 1024];
        let n = stream.read(&mut some).unwrap();
        assert!(n > 0);
        seen.extend(&some[..n]);
    }
    shop.term();
    stream.read_to_end(&mut seen).unwrap();
    let text = String::from_utf8(seen).unwrap();
    // The last chunk of the encoding, after the last line of ours.
    assert!(text.ends_with("retry: 1000\n\n\r\n0\r\n\r\n"), "{text}");
    assert_eq!(shop.ended(), Some(0));
}

#[test]
fn a_temporary_folder_is_gone_with_the_shop() {
    let shop = Shop::start(&[]);
    assert_eq!(shop.order(PENCIL).0, 201);
    let folder = shop.temporary.clone().unwrap();
    assert!(Path::new(&folder).is_dir());
    assert_eq!(shop.stop(), Some(0));
    assert!(!Path::new(&folder).exists(), "no-orphans: {folder}");
}

#[test]
fn a_ledger_of_nothing_is_refused_with_the_fix() {
    let output = run(&["ledger"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data DIR"));

    let empty = tempfile::tempdir().unwrap();
    let output = run(&["ledger", "--data", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no shop.sqlite"));
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let output = run(&["--data", "/dev/null/orders"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--data /dev/null/orders"), "{said}");
}

#[test]
fn a_flag_that_cannot_be_is_told_with_exit_2() {
    for bad in [
        ["--grace", "soon"],
        ["--grace", "0s"],
        ["--listen", "nowhere"],
    ] {
        let mut args = vec!["--admin", "127.0.0.1:0"];
        args.extend(bad);
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
}
