//! A shop as a process, and what can be asked of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn command(args: &[&str]) -> Command {
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

pub fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// An order.
pub const PENCIL: &str = r#"{"item":"pencil","quantity":3}"#;

/// A shop that serves; killed when dropped.
pub struct Shop {
    pub child: Child,
    pub said: Receiver<String>,
    pub http: String,
    probes: String,
    /// Where its orders are, if it chose that itself.
    pub temporary: Option<String>,
}

impl Shop {
    pub fn start(args: &[&str]) -> Shop {
        Shop::start_with(args, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(args: &[&str], environment: &[(&str, &str)]) -> Shop {
        let mut child = command(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(args)
            .envs(environment.iter().copied())
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
            probes: String::new(),
            temporary: None,
        };
        loop {
            let line = shop.said.recv_timeout(PATIENCE).unwrap();
            let address = || line.split('"').rev().nth(1).unwrap().to_owned();
            if line.contains("component=\"http\"") {
                shop.http = address();
            }
            if line.contains("component=\"probes\"") {
                shop.probes = address();
            }
            if let Some(rest) = line.strip_prefix("shop: keeps its orders in ") {
                shop.temporary = rest.split(' ').next().map(str::to_owned);
            }
            if line.contains("phase=ready") {
                return shop;
            }
        }
    }

    pub fn in_folder(folder: &Path) -> Shop {
        Shop::start(&["--data", folder.to_str().unwrap()])
    }

    /// Sends a request, and does not read what comes of it yet.
    pub fn ask(&self, head: &str, body: &str) -> TcpStream {
        ask(&self.http, head, body)
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        answer(self.ask(&format!("GET {path}"), ""))
    }

    pub fn order(&self, body: &str) -> (u16, String) {
        answer(self.ask("POST /orders", body))
    }

    pub fn term(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Places an order whose receipt takes that long.
    pub fn order_with_receipt(&self, receipt_ms: u64) {
        let order = format!(r#"{{"item":"pen","quantity":1,"receipt_ms":{receipt_ms}}}"#);
        let (status, body) = self.order(&order);
        assert_eq!(status, 201, "{body}");
    }

    /// What its own books say.
    pub fn ledger(&self) -> Value {
        json_at(&self.http, "/ledger")
    }

    /// Waits until its books are as they should be.
    pub fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(what, || self.ledger(), holds)
    }

    /// Waits until the handlers of so many jobs run. Its books call a job running once it is taken.
    pub fn works_on(&self, jobs: usize) {
        let at_work = |status: &Value| {
            let in_flight = status["in_flight"].as_array().unwrap().iter();
            in_flight.filter(|it| it["kind"] == "job").count() == jobs
        };
        let status = || json_at(&self.probes, "/status");
        until("all are at work", status, at_work);
    }

    /// The rest of what it says, to its end, and its exit code.
    pub fn last_words(mut self) -> (String, Option<i32>) {
        let code = self.child.wait().unwrap().code();
        (self.said.iter().collect::<Vec<_>>().join("\n"), code)
    }

    /// Its exit code.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn stop(self) -> Option<i32> {
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

fn ask(address: &str, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn json_at(address: &str, path: &str) -> Value {
    let (status, body) = answer(ask(address, &format!("GET {path}"), ""));
    assert_eq!(status, 200, "{body}");
    json(&body)
}

/// Looks again and again until it is as it should be.
fn until(what: &str, look: impl Fn() -> Value, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if holds(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: {seen}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Status and body; the server closes after them.
pub fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut whole = String::new();
    stream.read_to_string(&mut whole).unwrap();
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What `shop ledger` says while no shop runs.
pub fn ledger(folder: &Path) -> Value {
    books(&["--data", folder.to_str().unwrap()])
}

/// The same for orders that are kept as these flags say.
pub fn books(place: &[&str]) -> Value {
    let output = run(&[&["ledger"], place].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}
