//! Deploys of the shop, right and wrong: behind a proxy, with a socket that both versions hold, and with a socket of each on
//! one port (SO_REUSEPORT). `lameduck check --trigger` tells them apart, with figures.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How clients get to the shops.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    HaProxy,
    SharedSocket,
    ReusePort,
}

/// In which order the trigger does it.
#[derive(Clone, Copy)]
enum Order {
    /// Start, wait, stop.
    Right,
    /// Stop, then start.
    Wrong,
}

/// A process that the test has started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the trigger has started, by the file with its number.
struct StartedByTrigger(PathBuf);

impl Drop for StartedByTrigger {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(&self.0).unwrap_or_default();
        if !pid.trim().is_empty() {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Becomes a program that is given, as its first socket, one of its own on a port that others have too.
const WITH_ITS_OWN: &str = r#"
import os, socket, sys
own = socket.socket()
own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
own.bind(("127.0.0.1", int(sys.argv[1])))
own.listen(128)
os.dup2(own.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// What a shop of a shell is.
fn shop(serves: &Serves, admin: u16) -> String {
    let program = env!("CARGO_BIN_EXE_lameduck");
    let shop = format!("{program} shop --admin 127.0.0.1:{admin} --grace 10s");
    match serves {
        Serves::At(port) => format!("exec {shop} --listen 127.0.0.1:{port}"),
        Serves::With(fd) => format!("LISTEN_PID=$BASHPID LISTEN_FDS=1 exec {shop} 3<&{fd}"),
        Serves::WithItsOwn(port) => format!("exec python3 -c '{WITH_ITS_OWN}' {port} {shop}"),
    }
}

/// Where a shop serves.
enum Serves {
    /// At a port that nobody else has.
    At(u16),
    /// With this socket.
    With(i32),
    /// With one that it makes, at a port where there may be others.
    WithItsOwn(u16),
}

/// Waits until the shop with these probes is ready.
fn until_ready(admin: u16) -> String {
    format!(
        "until (exec 4<>/dev/tcp/127.0.0.1/{admin}; printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&4; \
         grep -q '200 OK' <&4) 2>/dev/null; do sleep 0.02; done"
    )
}

fn in_bash(script: &str) -> Command {
    let mut bash = Command::new("bash");
    bash.args(["-c", script])
        .env("LAMEDUCK_LAME_DUCK", "600ms")
        .env("LAMEDUCK_WEBSOCKET_WINDOW", "200ms")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    bash
}

fn wait_for(admin: u16) {
    let limit = Instant::now() + Duration::from_secs(30);
    let mut ready = Running(in_bash(&until_ready(admin)).spawn().expect("bash"));
    while ready.0.try_wait().expect("it is ours").is_none() {
        assert!(Instant::now() < limit, "the shop is never ready");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn haproxy(folder: &Path, front: u16, shops: [(u16, u16); 2]) -> Running {
    let [(a, a_admin), (b, b_admin)] = shops;
    let file = folder.join("haproxy.cfg");
    let config = format!(
        "defaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n timeout tunnel 30s\n \
         option redispatch\n\
         frontend front\n bind 127.0.0.1:{front}\n default_backend shops\n\
         backend shops\n option httpchk GET /readyz\n default-server check inter 50ms fall 1 rise 1\n \
         server a 127.0.0.1:{a} port {a_admin}\n server b 127.0.0.1:{b} port {b_admin}\n"
    );
    std::fs::write(&file, config).expect("it is there");
    let haproxy = Command::new("haproxy")
        .args(["-db", "-f"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let running = Running(haproxy.expect("it is installed"));
    let limit = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", front)).is_err() {
        assert!(Instant::now() < limit, "HAProxy does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    running
}

/// Runs a deploy under load, and gives what `--json` has of it.
fn deploy(way: Way, order: Order) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let (old_admin, new_admin) = (free_port(), free_port());
    // Held by the test, as systemd would.
    let shared = TcpListener::bind("127.0.0.1:0").expect("a port");
    let [front, a, b] = [(); 3].map(|()| free_port());
    let (front, old_serves, new_serves) = match way {
        Way::HaProxy => (front, Serves::At(a), Serves::At(b)),
        Way::ReusePort => (front, Serves::WithItsOwn(front), Serves::WithItsOwn(front)),
        Way::SharedSocket => {
            rustix::io::fcntl_setfd(&shared, rustix::io::FdFlags::empty()).expect("it is open");
            let (port, fd) = (
                shared.local_addr().expect("an address").port(),
                shared.as_raw_fd(),
            );
            (port, Serves::With(fd), Serves::With(fd))
        }
    };
    let old = Running(
        in_bash(&shop(&old_serves, old_admin))
            .spawn()
            .expect("bash"),
    );
    wait_for(old_admin);
    let shops = [(a, old_admin), (b, new_admin)];
    let proxy = (way == Way::HaProxy).then(|| haproxy(folder.path(), front, shops));
    let pid = folder.path().join("new.pid");
    let _new = StartedByTrigger(pid.clone());
    let start = format!(
        "({}) >/dev/null 2>&1 & echo $! >{}; {}",
        shop(&new_serves, new_admin),
        pid.display(),
        until_ready(new_admin)
    );
    let old_pid = old.0.id();
    let stop = format!(
        "kill -TERM {old_pid}; while kill -0 {old_pid} 2>/dev/null && ! grep -q zombie /proc/{old_pid}/status; do \
         sleep 0.02; done"
    );
    let script = match order {
        // The proxy looks each 50 ms whether it is there.
        Order::Right => format!("{start}; sleep 0.3; {stop}"),
        Order::Wrong => format!("{stop}; sleep 0.5; {start}"),
    };
    let file = folder.path().join("deploy.sh");
    std::fs::write(&file, script).expect("it is there");
    let json = folder.path().join("out.json");
    let output = Command::new(env!("CARGO_BIN_EXE_lameduck"))
        .current_dir(folder.path())
        .env("LAMEDUCK_LAME_DUCK", "600ms")
        .args(["check", "--url", &format!("http://127.0.0.1:{front}")])
        .args(["--get", "/work?ms=5", "--ws", "/ws", "--sse", "/events"])
        .args(["--clients", "6", "--per-request", "2"])
        .args(["--ws-clients", "4", "--sse-clients", "2"])
        .args(["--before", "500ms", "--after", "800ms", "--rtt", "0ms"])
        .arg("--trigger")
        .arg(format!("bash {}", file.display()))
        .arg("--json")
        .arg(&json)
        .output()
        .expect("it runs");
    drop((proxy, shared));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = std::fs::read_to_string(&json).unwrap_or_else(|_| panic!("{told}{errors}"));
    let mut out: Value = serde_json::from_str(&text).expect("JSON");
    out["told"] = told.into();
    out
}

/// The verdict on a promise, and how often it was tried.
fn verdict<'a>(out: &'a Value, name: &str) -> (&'a str, u64) {
    let mut promises = out["promises"].as_array().expect("a list").iter();
    let promise = promises.find(|it| it["name"] == name).expect("it is known");
    let verdict = promise["verdict"].as_str().expect("a word");
    (verdict, promise["trials"].as_u64().expect("a number"))
}

/// A figure of a part of the deploy.
fn figure(out: &Value, part: &str, name: &str) -> f64 {
    let windows = out["episodes"][0]["windows"].as_array().expect("a list");
    let window = windows.iter().find(|it| it["name"] == part);
    window.expect("it is there")[name]
        .as_f64()
        .expect("a number")
}

fn what_is_held_open_ends_in_good_order(out: &Value) {
    for name in ["websocket-closed", "sse-ends"] {
        let (judgement, trials) = verdict(out, name);
        assert_eq!(judgement, "kept", "{name}: {}", out["told"]);
        assert!(trials > 0, "{name}: {}", out["told"]);
    }
}

fn is_right(way: Way) {
    let out = deploy(way, Order::Right);
    assert_eq!(
        verdict(&out, "deploy-lossless").0,
        "kept",
        "{}",
        out["told"]
    );
    what_is_held_open_ends_in_good_order(&out);
    for part in ["before", "during", "after"] {
        assert!(figure(&out, part, "requests") > 0.0, "{}", out["told"]);
        assert_eq!(figure(&out, part, "refused"), 0.0, "{}", out["told"]);
    }
}

fn haproxy_is_there() -> bool {
    let mut version = Command::new("haproxy");
    let is_there = real_servers::runs(version.arg("-v"), "haproxy", "apt-get install haproxy");
    real_servers::or_skip(is_there).is_some()
}

#[test]
fn deploy_lossless_is_kept_behind_a_proxy_by_starting_first_and_broken_by_stopping_first() {
    if !haproxy_is_there() {
        return;
    }
    is_right(Way::HaProxy);
    let out = deploy(Way::HaProxy, Order::Wrong);
    assert_eq!(
        verdict(&out, "deploy-lossless").0,
        "broken",
        "{}",
        out["told"]
    );
    assert!(
        figure(&out, "during", "status_5xx") > 10.0,
        "{}",
        out["told"]
    );
    what_is_held_open_ends_in_good_order(&out);
}

/// Whoever comes while nobody accepts waits in the socket: nobody is refused, and how long that took is told.
#[test]
fn deploy_lossless_is_kept_with_a_shared_socket_and_by_stopping_first_clients_wait() {
    is_right(Way::SharedSocket);
    let out = deploy(Way::SharedSocket, Order::Wrong);
    assert_eq!(
        verdict(&out, "deploy-lossless").0,
        "kept",
        "{}",
        out["told"]
    );
    assert!(
        figure(&out, "during", "p999_ms").max(figure(&out, "after", "p999_ms")) > 450.0,
        "{}",
        out["told"]
    );
    what_is_held_open_ends_in_good_order(&out);
}

#[test]
fn deploy_lossless_is_kept_with_a_socket_of_each_by_starting_first_and_broken_by_stopping_first() {
    is_right(Way::ReusePort);
    let out = deploy(Way::ReusePort, Order::Wrong);
    assert_eq!(
        verdict(&out, "deploy-lossless").0,
        "broken",
        "{}",
        out["told"]
    );
    assert!(figure(&out, "during", "refused") > 10.0, "{}", out["told"]);
}
