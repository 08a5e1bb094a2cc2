//! A deploy that is right and one that is wrong, told apart by what clients see of them; and a process that runs already.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lameduck_check::{Judgement, Plan, RunOutcome, Trigger};

use crate::{SERVER, free_port, outcome, outcome_and_round, plan, told};

/// A server that the test starts, and that a trigger may end.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let child = command.stdout(Stdio::null()).spawn().expect("it is there");
        let running = Self(child);
        let limit = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < limit, "nobody listens on {port}");
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the trigger has started, by the file with its number.
struct Started<'a>(&'a Path);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.0).unwrap_or_default();
        if !pid.trim().is_empty() {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
        let _ = std::fs::remove_file(self.0);
    }
}

fn server(port: u16) -> Command {
    let mut command = Command::new("python3");
    command.args([SERVER, &port.to_string()]);
    command
}

/// An episode at a port, with a script as its trigger.
fn episode(port: u16, script: &str) -> Plan {
    let mut plan = plan(&[]);
    plan.url =
        lameduck_check::Endpoint::parse(&format!("http://localhost:{port}")).expect("it is there");
    plan.clients.pooled = 4;
    let mut trigger = Trigger::new(["bash", "-c", script]);
    trigger.before = Duration::from_millis(500);
    trigger.after = Duration::from_millis(500);
    plan.trigger = Some(trigger);
    plan
}

/// HAProxy before two servers, of which one is there. `None` if it is not installed.
fn behind_haproxy(folder: &Path, front: u16, servers: [u16; 2]) -> Option<Running> {
    if Command::new("haproxy")
        .arg("-v")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        real_servers::skip("haproxy not installed (apt-get install haproxy)");
        return None;
    }
    let [a, b] = servers;
    let file = folder.join("haproxy.cfg");
    let config = format!(
        "defaults\n mode http\n timeout connect 2s\n timeout client 30s\n timeout server 30s\n option redispatch\n\
         frontend front\n bind 127.0.0.1:{front}\n default_backend shops\n\
         backend shops\n option httpchk OPTIONS /\n default-server check inter 50ms fall 1 rise 1\n \
         server a 127.0.0.1:{a}\n server b 127.0.0.1:{b}\n"
    );
    std::fs::write(&file, config).expect("it is there");
    let mut haproxy = Command::new("haproxy");
    haproxy
        .arg("-db")
        .arg("-f")
        .arg(&file)
        .stderr(Stdio::null());
    Some(Running::start(&mut haproxy, front))
}

/// Starts `b`, and waits until it answers; or ends `a`, and waits until it has ended.
fn steps(servers: [u16; 2], old: u32, pids: &Path) -> (String, String) {
    let [_, b] = servers;
    let start = format!(
        "python3 {SERVER} {b} & echo $! >{}; until (: </dev/tcp/127.0.0.1/{b}) 2>/dev/null; do sleep 0.02; done",
        pids.display()
    );
    let stop = format!(
        "kill -TERM {old}; while kill -0 {old} 2>/dev/null && ! grep -q zombie /proc/{old}/status; do sleep 0.02; done"
    );
    (start, stop)
}

async fn deploy_behind_haproxy(
    is_right: bool,
) -> Option<(RunOutcome, lameduck_check::ledger::Round)> {
    let folder = std::env::temp_dir().join(format!(
        "lameduck-episode-{}-{is_right}",
        std::process::id()
    ));
    std::fs::create_dir_all(&folder).expect("it is there");
    let (front, servers) = (free_port(), [free_port(), free_port()]);
    let mut old = server(servers[0]);
    let old = Running::start(old.arg("lame-duck"), servers[0]);
    let proxy = behind_haproxy(&folder, front, servers);
    let pids = folder.join("b.pid");
    let _started = Started(&pids);
    let (start, stop) = steps(servers, old.0.id(), &pids);
    let script = match is_right {
        // The proxy looks each 50 ms whether it is there.
        true => format!("{start}; sleep 0.5; {stop}; echo all done"),
        false => format!("{stop}; sleep 0.3; {start}; echo all done"),
    };
    proxy.as_ref()?;
    let seen = outcome_and_round(&episode(front, &script)).await;
    Some(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_behind_a_proxy_that_is_right_loses_nothing() {
    let Some((outcome, round)) = deploy_behind_haproxy(true).await else {
        return;
    };
    let (judgement, what) = told(&outcome, "deploy-lossless");
    assert_eq!(judgement, Judgement::Kept, "{what}");
    for part in ["before 0 of", "during 0 of", "after 0 of", "p50/p99/p99.9"] {
        assert!(what.contains(part), "should say {part}: {what}");
    }
    let windows = round.windows();
    assert!(
        windows
            .iter()
            .all(|window| window.requests > 0 && window.p99_ms.is_some())
    );
    // The new version serves on: it is not the prover's.
    assert!(round.episode.unwrap().output.contains("all done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_behind_a_proxy_that_stops_before_it_starts_is_told_with_what_clients_saw() {
    let Some((outcome, round)) = deploy_behind_haproxy(false).await else {
        return;
    };
    let (judgement, what) = told(&outcome, "deploy-lossless");
    assert_eq!(judgement, Judgement::Broken, "{what}");
    assert!(what.contains("503") && what.contains("a proxy"), "{what}");
    let [before, during, _] = round.windows() else {
        panic!("three parts")
    };
    assert_eq!(before.bad(), 0);
    assert!(during.status_5xx > 10, "{during:?}");
    assert_eq!(outcome.losses().failed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_handed_on_is_lossless_and_how_long_clients_waited_is_told() {
    // The test holds the socket, as systemd would; both versions are given it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&listener).to_string();
    let mut worst = Vec::new();
    for is_right in [true, false] {
        let name = format!("lameduck-socket-{}-{is_right}.pid", std::process::id());
        let pids = std::env::temp_dir().join(name);
        let mut old = server(port);
        let old = Running::start(old.args(["lame-duck", "fd", &fd]), port);
        let _started = Started(&pids);
        let start = format!(
            "python3 {SERVER} {port} lame-duck fd {fd} & echo $! >{}",
            pids.display()
        );
        let (_, stop) = steps([0, 0], old.0.id(), &pids);
        let script = match is_right {
            true => format!("{start}; sleep 0.5; {stop}"),
            false => format!("{stop}; sleep 1; {start}"),
        };
        let (outcome, round) = outcome_and_round(&episode(port, &script)).await;
        let (judgement, what) = told(&outcome, "deploy-lossless");
        assert_eq!(judgement, Judgement::Kept, "{what}");
        let waited = round.windows().iter().filter_map(|window| window.p999_ms);
        worst.push(waited.fold(0.0, f64::max));
    }
    // Nobody was there for a second.
    assert!(worst[1] > 900.0, "{worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_fails_is_broken_unless_it_has_to_fail() {
    let port = free_port();
    let _old = Running::start(&mut server(port), port);
    let mut plan = episode(port, "echo no such image >&2; exit 3");
    let outcome_of = outcome(&plan).await;
    let (judgement, what) = told(&outcome_of, "deploy-lossless");
    assert_eq!(judgement, Judgement::Broken, "{what}");
    assert!(what.contains("exit code 3"), "{what}");
    plan.trigger.as_mut().unwrap().expect_rollback = true;
    let outcome_of = outcome(&plan).await;
    assert_eq!(told(&outcome_of, "deploy-rolls-back").0, Judgement::Kept);
    assert_eq!(told(&outcome_of, "deploy-lossless").0, Judgement::Skipped);
    // And one that should fail, and does not.
    let mut plan = episode(port, "true");
    plan.trigger.as_mut().unwrap().expect_rollback = true;
    let (judgement, what) = told(&outcome(&plan).await, "deploy-rolls-back");
    assert_eq!(judgement, Judgement::Broken, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_is_not_there_is_an_error() {
    let mut plan = episode(free_port(), "");
    plan.trigger = Some(Trigger::new(["no-such-program", "x"]));
    let error = lameduck_check::run(&plan, &lameduck_check::Silent)
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("--trigger") && error.contains("no-such-program x"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_process_that_runs_already_what_is_not_seen_is_skipped_and_it_is_never_killed() {
    let port = free_port();
    let mut server_process = Running::start(&mut server(port), port);
    let mut of_pid = plan(&[]);
    of_pid.url = lameduck_check::Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    of_pid.pid = Some(server_process.0.id());
    let outcome_of = outcome(&of_pid).await;
    assert_eq!(told(&outcome_of, "within-grace").0, Judgement::Kept);
    assert_eq!(told(&outcome_of, "keepalive-lossless").0, Judgement::Kept);
    for promise in ["exits-zero", "stuck-told", "no-orphans", "startup-signal"] {
        let (judgement, what) = told(&outcome_of, promise);
        assert_eq!(judgement, Judgement::Skipped, "{promise}: {what}");
        assert!(
            what.contains("a process that runs already"),
            "{promise}: {what}"
        );
    }
    assert!(
        server_process.0.try_wait().unwrap().is_some(),
        "it was asked to stop"
    );

    // One that is deaf outlives its grace, and the prover.
    let port = free_port();
    let mut deaf = Running::start(server(port).arg("deaf"), port);
    of_pid.url = lameduck_check::Endpoint::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    of_pid.pid = Some(deaf.0.id());
    of_pid.grace = Duration::from_millis(300);
    let (judgement, what) = told(&outcome(&of_pid).await, "within-grace");
    assert_eq!(judgement, Judgement::Broken, "{what}");
    assert!(what.contains("was left running"), "{what}");
    assert!(deaf.0.try_wait().unwrap().is_none(), "it was killed");
}
