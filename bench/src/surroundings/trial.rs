//! One trial: the service is started in its surrounding, put under load, and stopped; then what came of it is held
//! against what had to.

use std::fs;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;

use super::load::{self, Counts};
use super::outcome::Row;
use super::pipe;
use super::process::{self, Found, until};
use super::scene::{Check, End, GRACE, Output, Scene, Surrounding, To};
use crate::shop::not_for_shops;

/// How long a service may take to serve, or to say that it cannot.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// How long after its grace a process may be gone on a busy machine.
const ON_TIME: Duration = Duration::from_millis(700);

/// Answers before the signal.
const WARM: u64 = 30;

/// How long the clients may take to notice that the process is gone.
const CLIENTS_END_WITHIN: Duration = Duration::from_secs(10);

/// What was found out in a trial.
#[derive(Default)]
struct Seen {
    exit: Option<ExitStatus>,
    took: Option<Duration>,
    served: u64,
    lost: Vec<String>,
    wrong: Vec<String>,
}

/// Tries one surrounding once.
pub fn run(surrounding: &Surrounding, round: u32, seed: u64) -> Row {
    let began = Instant::now();
    let mut row = Row::new(surrounding.name, round);
    if surrounding.root && !process::is_root() {
        row.not_tried = Some("only root can make it".to_owned());
        return row;
    }
    match try_out(surrounding, &mut row, seed) {
        Ok(()) => {}
        Err(error) => row.wrong.push(format!("cannot be tried: {error:#}")),
    }
    row.whole_ms = began.elapsed().as_secs_f64() * 1e3;
    row
}

fn try_out(surrounding: &Surrounding, row: &mut Row, seed: u64) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("surrounding-")
        .tempdir()
        .context("cannot make a folder")?;
    let mut scene = Scene::plain(folder.path())?;
    (surrounding.put_up)(&mut scene).context("cannot make the surrounding")?;
    let mut started = Started::start(&mut scene)?;
    let mut seen = Seen::default();
    let served = match started.serves() {
        Some(found) => {
            stop_under_load(&mut scene, &mut started, found, seed, &mut seen)?;
            true
        }
        None => {
            seen.exit = started.ended(Duration::from_secs(3));
            false
        }
    };
    row.exit = seen.exit.and_then(|it| it.code());
    row.signal = seen.exit.and_then(|it| it.signal());
    row.took_ms = seen.took.map(|it| it.as_secs_f64() * 1e3);
    row.served = seen.served;
    let said = started.said();
    let mut wrong = std::mem::take(&mut seen.wrong);
    match (served, &scene.end) {
        (true, End::Serves(_) | End::ServesOrRefuses(_)) => {
            wrong.extend(judge_end(&scene, row));
            wrong.extend(judge_report(&scene, row, &said));
        }
        (true, End::Refuses(_)) => wrong.push("it serves, and should have refused to".to_owned()),
        (false, End::Refuses(says) | End::ServesOrRefuses(says)) => {
            row.report = "refused";
            wrong.extend(judge_refusal(row, says, &said));
        }
        (false, End::Serves(_)) => wrong.push(format!("it never served: {}", last_lines(&said))),
    }
    for check in scene.checks.drain(..) {
        let check: Check = check;
        wrong.extend(check().err());
    }
    row.lost = seen.lost;
    row.wrong = wrong;
    Ok(())
}

fn stop_under_load(
    scene: &mut Scene,
    started: &mut Started,
    found: Found,
    seed: u64,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let counts = Arc::new(Counts::default());
    let clients = clients(scene, &found, &counts, seed)?;
    let is_warm = || {
        let enough = counts.served.load(Ordering::Relaxed) >= WARM;
        enough.then_some(())
    };
    if until(STARTS_WITHIN, is_warm).is_none() {
        seen.wrong.push("it does not serve".to_owned());
    }
    for act in scene.before.drain(..) {
        act(&found)?;
    }
    // Where in their work the signal meets the clients.
    let mut random = StdRng::seed_from_u64(seed);
    thread::sleep(Duration::from_millis(random.random_range(100..400)));
    let signalled = *counts.signalled.get_or_init(Instant::now);
    started.read_late(signalled);
    for step in &scene.signals {
        thread::sleep(step.after);
        match step.to {
            To::Service => found.signal(step.signal),
            To::Group => found.signal_group(step.signal),
        }
    }
    match found.ended_until(signalled + GRACE + Duration::from_secs(2))? {
        Some(ended) => seen.took = Some(ended - signalled),
        None => seen
            .wrong
            .push("it is still there 2 s after its grace".to_owned()),
    }
    // If it is still there.
    found.signal(Signal::KILL);
    counts.over.store(true, Ordering::Relaxed);
    if let Some(listener) = scene.shared.take() {
        serve_as_next(listener)?;
    }
    if clients.recv_timeout(CLIENTS_END_WITHIN) == Err(mpsc::RecvTimeoutError::Timeout) {
        seen.wrong
            .push("a client still waits for an answer".to_owned());
    }
    seen.served = counts.served.load(Ordering::Relaxed);
    seen.lost = counts.take_lost();
    seen.exit = started.ended(Duration::from_secs(3));
    Ok(())
}

/// Starts the clients, in the network namespace of the service if need be. What it returns is disconnected when
/// all have ended.
fn clients(
    scene: &Scene,
    found: &Found,
    counts: &Arc<Counts>,
    seed: u64,
) -> anyhow::Result<Receiver<()>> {
    let (ends, ended) = mpsc::channel();
    let (dial, counts) = (scene.dial.clone(), counts.clone());
    let network = match scene.own_network {
        true => {
            let path = format!("/proc/{}/ns/net", found.pid.as_raw_nonzero());
            Some(fs::File::open(&path).with_context(|| format!("cannot open {path}"))?)
        }
        false => None,
    };
    thread::spawn(move || {
        let _ends = ends;
        if let Some(network) = network {
            use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
            use std::os::fd::AsFd;
            // Where that fails the clients are refused, and the row says that it does not serve.
            let _ = move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network));
        }
        // One thread: no other would be in that namespace.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            runtime.block_on(async {
                let deadline = Instant::now() + STARTS_WITHIN;
                while !dial.answers().await && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                load::run(&dial, &counts, seed).await;
            });
        }
    });
    Ok(ended)
}

/// What waits in the queue of a socket that is shared, the next version answers.
fn serve_as_next(listener: std::net::TcpListener) -> anyhow::Result<()> {
    use std::io::Write;
    listener.set_nonblocking(true)?;
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                let _ = stream.set_nonblocking(false);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let (mut request, mut piece) = (Vec::new(), [0; 4096]);
                // A head is enough, or what there is of an upload in that time.
                while let Ok(read @ 1..) = stream.read(&mut piece) {
                    request.extend_from_slice(&piece[..read]);
                    let is_upload = request.starts_with(b"POST");
                    let wanted = if is_upload { 1000 } else { 0 };
                    let head = request.windows(4).position(|it| it == b"\r\n\r\n");
                    if head.is_some_and(|it| request.len() >= it + 4 + wanted) {
                        break;
                    }
                }
                let _ = stream.write_all(answer);
            });
        }
    });
    Ok(())
}

fn judge_end(scene: &Scene, row: &Row) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(took) = row.took_ms
        && took > (GRACE + ON_TIME).as_secs_f64() * 1e3
    {
        wrong.push(format!("gone after {:.2} s of {GRACE:?}", took / 1e3));
    }
    if let (End::Serves(code), true) = (&scene.end, scene.code_is_known)
        && row.exit != Some(*code)
    {
        let how = match (row.exit, row.signal) {
            (Some(code), _) => format!("exit {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => "no exit code".to_owned(),
        };
        wrong.push(format!("{how}, expected {code}"));
    }
    wrong
}

fn judge_report(scene: &Scene, row: &mut Row, said: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let told = said.contains("after SIG") && said.contains("exit ");
    if scene.tells && !told {
        wrong.push(format!("no report on standard error: {}", last_lines(said)));
    }
    let file = scene.report.as_ref().map(|file| {
        let bytes = fs::read(file).map_err(|error| error.to_string())?;
        serde_json::from_slice::<Value>(&bytes).map_err(|error| match bytes.is_empty() {
            true => "empty".to_owned(),
            false => error.to_string(),
        })
    });
    row.report = match (&file, told) {
        (Some(Ok(_)), true) => "both",
        (Some(Ok(_)), false) => "file",
        (_, true) => "text",
        (_, false) => "none",
    };
    match file {
        None => {}
        Some(Err(error)) => wrong.push(format!("no report in its file: {error}")),
        Some(Ok(report)) => wrong.extend(judge_facts(scene, &report)),
    }
    wrong
}

/// What the report itself says.
fn judge_facts(scene: &Scene, report: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if let End::Serves(code) = scene.end
        && report["exit"] != code
    {
        let let_go = report["let_go"].as_array().cloned().unwrap_or_default();
        let first = let_go
            .first()
            .map_or_else(String::new, |it| format!(", the first: {it}"));
        let count = let_go.len();
        wrong.push(format!(
            "the report says exit {}, {count} let go{first}",
            report["exit"]
        ));
    }
    if !scene.lame_duck.is_zero() {
        let phases = report["phases"].as_array().cloned().unwrap_or_default();
        let lame_duck = phases.iter().find(|it| it["phase"] == "lame-duck");
        let ms = lame_duck.and_then(|it| it["ms"].as_f64()).unwrap_or(0.0);
        if ms < scene.lame_duck.as_secs_f64() * 1e3 {
            let least = scene.lame_duck;
            wrong.push(format!(
                "{ms:.0} ms in the lame-duck phase, expected {least:?}"
            ));
        }
    }
    wrong
}

fn judge_refusal(row: &Row, says: &[&str], said: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if !matches!(row.exit, Some(1 | 2)) {
        let how = row
            .exit
            .map_or("no exit code".to_owned(), |it| format!("exit {it}"));
        wrong.push(format!("{how}, expected 2: {}", last_lines(said)));
    }
    if !says.iter().any(|it| said.contains(it)) {
        let what = says.join(" or ");
        wrong.push(format!("it does not say {what}: {}", last_lines(said)));
    }
    wrong
}

/// The last three lines, as far as they fit.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().rev().take(3).collect();
    let shortened = |line: &&str| line.chars().take(160).collect::<String>();
    let lines: Vec<String> = lines.iter().rev().map(shortened).collect();
    format!("{:?}", lines.join(" | "))
}

/// What was started, on the way to the service or the service itself.
struct Started {
    child: Child,
    folder: std::path::PathBuf,
    wrapped: bool,
    late: Option<(fs::File, Duration)>,
    said: Vec<Receiver<io::Result<String>>>,
}

impl Started {
    fn start(scene: &mut Scene) -> anyhow::Result<Started> {
        let words = scene.command()?;
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).process_group(0);
        for variable in not_for_shops() {
            command.env_remove(variable);
        }
        // Writing a backtrace takes its time.
        for variable in ["KUBERNETES_SERVICE_HOST", "NOTIFY_SOCKET", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        command.envs(scene.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(std::mem::replace(&mut scene.input, Stdio::null()));
        let mut late = None;
        let mut stream = |output: &mut Output| match std::mem::replace(output, Output::Read) {
            Output::Read => Stdio::piped(),
            Output::Into(file) => file,
            Output::ReadLate(writes, reads, after) => {
                late = Some((reads, after));
                writes.into()
            }
        };
        command.stdout(stream(&mut scene.output));
        command.stderr(stream(&mut scene.error));
        let spawned = command.spawn();
        // It holds the ends that the service has now.
        drop(command);
        let mut child = spawned.with_context(|| format!("cannot start {}", words[0]))?;
        let mut said = Vec::new();
        if let Some(pipe) = child.stderr.take() {
            said.push(read(pipe));
        }
        if let Some(pipe) = child.stdout.take() {
            said.push(read(pipe));
        }
        Ok(Started {
            child,
            folder: scene.folder.clone(),
            wrapped: !scene.code_is_known,
            late,
            said,
        })
    }

    /// The service, unless it ends before it is there or before it listens.
    fn serves(&mut self) -> Option<Found> {
        let deadline = Instant::now() + STARTS_WITHIN;
        let mut found = until(STARTS_WITHIN, || {
            let ended = matches!(self.child.try_wait(), Ok(Some(_))) && !self.wrapped;
            match Found::service_of(&self.folder) {
                Some(found) => Some(Some(found)),
                None => ended.then_some(None),
            }
        })
        .flatten()?;
        // One that refuses does so before it serves anybody.
        loop {
            match listens(&found) {
                true => return Some(found),
                false if Instant::now() > deadline => return Some(found),
                false => {}
            }
            if let Ok(Some(_)) = found.ended_until(Instant::now() + Duration::from_millis(10)) {
                return None;
            }
            // A shell may still have become the service meanwhile.
            if let Some(again) = Found::service_of(&self.folder)
                && again.pid != found.pid
            {
                found = again;
            }
        }
    }

    /// From now on somebody reads after a while what nobody has read so far.
    fn read_late(&mut self, signalled: Instant) {
        if let Some((pipe, after)) = self.late.take() {
            let (tell, said) = mpsc::channel();
            self.said.push(said);
            thread::spawn(move || {
                thread::sleep((signalled + after).saturating_duration_since(Instant::now()));
                let _ = tell.send(pipe::rest(pipe));
            });
        }
    }

    /// How the first process ended, if it does within that time.
    fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        until(limit, || self.child.try_wait().ok().flatten())
    }

    /// What it said so far that anybody read.
    fn said(&mut self) -> String {
        let mut all = String::new();
        for said in self.said.drain(..) {
            // Whoever else holds the pipe keeps it open.
            match said.recv_timeout(Duration::from_secs(1)) {
                Ok(Ok(text)) => all.push_str(&text),
                Ok(Err(error)) => all.push_str(&error.to_string()),
                Err(_) => {}
            }
        }
        all
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(found) = Found::service_of(&self.folder) {
            found.signal(Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> Receiver<io::Result<String>> {
    let (tell, said) = mpsc::channel();
    thread::spawn(move || {
        let _ = tell.send(pipe::rest(&mut pipe));
    });
    said
}

/// Whether the process has a socket that listens, as the kernel's own tables say it.
fn listens(found: &Found) -> bool {
    let proc = format!("/proc/{}", found.pid.as_raw_nonzero());
    let Ok(descriptors) = fs::read_dir(format!("{proc}/fd")) else {
        return false;
    };
    let sockets: Vec<String> = descriptors
        .flatten()
        .filter_map(|it| fs::read_link(it.path()).ok())
        .filter_map(|it| {
            Some(
                it.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let is_ours = |inode: Option<&str>| inode.is_some_and(|it| sockets.iter().any(|own| own == it));
    let table = |name: &str| fs::read_to_string(format!("{proc}/net/{name}")).unwrap_or_default();
    let tcp = ["tcp", "tcp6"].iter().any(|name| {
        table(name).lines().any(|line| {
            let mut fields = line.split_ascii_whitespace().skip(3);
            fields.next() == Some("0A") && is_ours(fields.nth(5))
        })
    });
    tcp || table("unix").lines().any(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // `__SO_ACCEPTCON`, which listening sets.
        fields.get(3) == Some(&"00010000") && is_ours(fields.get(6).copied())
    })
}
