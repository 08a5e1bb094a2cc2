//! A process under test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Client;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// More than what lies between two signals that are copies of one stop.
pub const APART: Duration = Duration::from_millis(250);

/// The grace of [`Service::patient`].
pub const PATIENT: Duration = Duration::from_secs(5);

fn without_query(name: &str) -> &str {
    name.split('?').next().unwrap_or(name)
}

/// Waits until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never came: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// `target/debug/examples/misbehaving`, beside the `deps` that this test is in.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = profile.join("examples").join("misbehaving");
    assert!(
        program.is_file(),
        "{} is not there; `cargo test` builds it, or `cargo build -p lameduck --examples`",
        program.display()
    );
    program
}

/// The program as another user, from a copy in `folder`: the target folder need not be one that others may enter.
pub fn program_as(user: u32, folder: &Path) -> Command {
    let copy = folder.join("service");
    std::fs::copy(program(), &copy).unwrap();
    let mut command = Command::new(copy);
    command.uid(user).gid(user);
    command
}

/// What to start.
pub struct Start {
    pub command: Command,
    folder: tempfile::TempDir,
    read_stderr: bool,
}

impl Start {
    /// The service with `args`, a grace of 2 s and probes on some port.
    pub fn new(args: &[&str]) -> Start {
        let mut command = Command::new(program());
        command.args(args);
        Start::command(command)
    }

    /// Some other command that ends up as the service.
    pub fn command(mut command: Command) -> Start {
        for foreign in [
            "LAMEDUCK_LAME_DUCK",
            "LAMEDUCK_SIGNALS",
            "LAMEDUCK_PROBERS",
            "KUBERNETES_SERVICE_HOST",
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_PIDFDID",
            "LISTEN_FDNAMES",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            // Writing a backtrace takes longer than the share of a closer in so short a grace.
            "RUST_BACKTRACE",
        ] {
            command.env_remove(foreign);
        }
        let folder = tempfile::tempdir().unwrap();
        command
            .env("LAMEDUCK_GRACE", "2s")
            .env("LAMEDUCK_ADMIN", "127.0.0.1:0")
            .env("LAMEDUCK_REPORT", folder.path().join("report.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Start {
            command,
            folder,
            read_stderr: true,
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Start {
        self.command.env(name, value);
        self
    }

    /// Leaves standard error as a pipe that nobody reads.
    pub fn nobody_reads_stderr(mut self) -> Start {
        self.read_stderr = false;
        self
    }

    /// Has standard error be this, and not a pipe that is read.
    pub fn stderr(mut self, it: impl Into<Stdio>) -> Start {
        self.command.stderr(it);
        self.read_stderr = false;
        self
    }

    /// Where the report is to be written.
    pub fn report(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }

    /// Has the system refuse sockets of this family, as if it did not know it. `false` if it cannot be
    /// made to.
    pub fn without_family(&mut self, family: i32) -> bool {
        const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
        const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
        const RETURN: u16 = 0x06; // BPF_RET | BPF_K
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        // The number of the call is at 0 in `struct seccomp_data`, its first argument at 16.
        let filter = [
            step(LOAD, 0, 0, 0),
            step(JUMP_IF_EQUAL, 0, 3, libc::SYS_socket as u32),
            step(
                LOAD,
                0,
                0,
                if cfg!(target_endian = "little") {
                    16
                } else {
                    20
                },
            ),
            step(JUMP_IF_EQUAL, 0, 1, family as u32),
            step(
                RETURN,
                0,
                0,
                libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32,
            ),
            step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let install = move || {
            let program = libc::sock_fprog {
                len: filter.len() as u16,
                filter: filter.as_ptr().cast_mut(),
            };
            // SAFETY: both only set what this process may do, and the filter outlives the call.
            let done = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
            };
            match done {
                true => Ok(()),
                false => Err(std::io::Error::last_os_error()),
            }
        };
        let mut try_it = Command::new("true");
        // SAFETY: only calls that are async-signal-safe.
        unsafe {
            try_it.pre_exec(install);
            self.command.pre_exec(install);
        }
        try_it.status().is_ok_and(|it| it.success())
    }

    /// Starts it without waiting for anything.
    pub fn spawn(mut self) -> Service {
        let mut child = self.command.spawn().unwrap();
        let (line, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for it in stdout.lines().map_while(Result::ok) {
                let _ = line.send(it);
            }
        });
        let stderr = self.read_stderr.then(|| {
            let mut pipe = child.stderr.take().unwrap();
            thread::spawn(move || {
                let mut said = Vec::new();
                let _ = pipe.read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            })
        });
        Service {
            child,
            lines,
            stderr,
            folder: self.folder,
            signalled: OnceLock::new(),
            api: String::new(),
            probes: None,
        }
    }

    /// Starts it and waits until it serves.
    pub fn serve(self) -> Service {
        let mut service = self.spawn();
        let line = service.says("ready ");
        let mut words = line.split([' ', '=']).skip(2).step_by(2);
        service.api = words.next().unwrap().to_owned();
        service.probes = words.next().unwrap().parse().ok();
        service
    }

    /// Starts it and waits until its start-up hangs.
    pub fn hang_in_start_up(self) -> Service {
        let mut service = self.spawn();
        let line = service.says("starting ");
        service.probes = line.split('=').nth(1).and_then(|it| it.parse().ok());
        service
    }

    /// For one that ends by itself.
    pub fn run(self) -> Ended {
        self.spawn().ended()
    }
}

/// A running process; killed when dropped.
pub struct Service {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    folder: tempfile::TempDir,
    signalled: OnceLock<Instant>,
    /// Where it serves.
    pub api: String,
    probes: Option<SocketAddr>,
}

impl Service {
    /// The service without any fault.
    pub fn plain() -> Service {
        Start::new(&[]).serve()
    }

    /// The service with a grace of [`PATIENT`], for who looks at what is told when the time is over. There is
    /// half a second for that; of a grace of 2 s there are 200 ms, which a busy machine does not keep.
    pub fn patient() -> Service {
        Start::new(&[])
            .env("LAMEDUCK_GRACE", &format!("{}s", PATIENT.as_secs()))
            .serve()
    }

    /// The service with one fault.
    pub fn with_fault(fault: &str) -> Service {
        Start::new(&["--fault", fault]).serve()
    }

    /// Waits for a line that begins so.
    pub fn says(&mut self, start: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with(start) => return line,
                Ok(_) => {}
                Err(_) => {
                    let _ = self.child.kill();
                    let said = self.stderr.take().map(|it| it.join().unwrap());
                    panic!("never said {start:?}; said {said:?}");
                }
            }
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.api)
    }

    /// With so little room for what comes.
    pub fn client_with_room(&self, bytes: usize) -> Client {
        Client::with_room(&self.api, bytes)
    }

    pub fn signal(&self, signal: Signal) {
        self.signalled.get_or_init(Instant::now);
        // A process that is gone already is for the test to notice.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Signals the only child of the process: what a wrapper runs.
    pub fn signal_child(&self, signal: Signal) {
        let id = self.id();
        let path = format!("/proc/{id}/task/{id}/children");
        let children = std::fs::read_to_string(path).unwrap();
        let child: i32 = children.trim().parse().unwrap();
        self.signalled.get_or_init(Instant::now);
        kill_process(Pid::from_raw(child).unwrap(), signal).unwrap();
    }

    pub fn term(&self) {
        self.signal(Signal::TERM);
    }

    /// A connection to the probes.
    pub fn admin(&self) -> Client {
        Client::connect(&self.probes.unwrap().to_string())
    }

    /// The address of the live page.
    pub fn page(&self) -> String {
        format!("http://{}/", self.probes.unwrap())
    }

    /// The status code and body of a path of the probes.
    pub fn probe(&self, path: &str) -> (u16, String) {
        let answer = self.admin().get(path);
        (answer.status, answer.text())
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.probe("/status").1).unwrap()
    }

    /// Waits until `count` things of that kind and name are in flight. A query in the name is left out, as it
    /// is by the service.
    pub fn in_flight(&self, kind: &str, name: &str, count: usize) {
        let name = without_query(name);
        until(name, || {
            let status = self.status();
            let items = status["in_flight"].as_array().unwrap();
            let found = items
                .iter()
                .filter(|it| it["kind"] == kind && it["name"] == name)
                .count();
            (found >= count).then_some(())
        });
    }

    /// Waits until nothing of that kind and name is.
    pub fn not_in_flight(&self, kind: &str, name: &str) {
        let name = without_query(name);
        until(name, || {
            let status = self.status();
            let items = status["in_flight"].as_array().unwrap();
            let gone = |it: &Value| it["kind"] != kind || it["name"] != name;
            items.iter().all(gone).then_some(())
        });
    }

    /// Waits until it catches this signal.
    pub fn listens_to(&self, signal: Signal) {
        let bit = 1_u64 << (signal.as_raw() - 1);
        until("a handler of the signal", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
            let caught = status.lines().find_map(|it| it.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            (caught & bit != 0).then_some(())
        });
    }

    /// Whether the report's file is there.
    pub fn has_reported(&self) -> bool {
        self.folder.path().join("report.json").is_file()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn phase(&self, phase: &str) {
        until(phase, || (self.status()["phase"] == phase).then_some(()));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> Ended {
        let since = *self.signalled.get_or_init(Instant::now);
        // How much later than asked for this thread was woken at worst: so late the other process's threads may have
        // been, and so late its end may have been seen.
        let mut late = Duration::ZERO;
        let mut looked = Instant::now();
        let status = until("the end", || {
            late = late.max(looked.elapsed().saturating_sub(Duration::from_millis(2)));
            looked = Instant::now();
            self.child.try_wait().unwrap()
        });
        let took = since.elapsed();
        let stderr = self.stderr.take().map(|it| it.join().unwrap());
        let report = std::fs::read_to_string(self.folder.path().join("report.json"));
        Ended {
            code: status.code(),
            killed_by: status.signal(),
            took,
            late,
            stderr: stderr.unwrap_or_default(),
            report: report.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub killed_by: Option<i32>,
    /// From the first signal to the end.
    pub took: Duration,
    /// How much later than asked for a thread is woken on this machine at the moment.
    late: Duration,
    pub stderr: String,
    /// The report as JSON; null if there is none.
    pub report: Value,
}

impl Ended {
    /// It was gone before the grace of 2 s was over, by itself.
    #[track_caller]
    pub fn within_grace(&self) -> &Ended {
        self.within(Duration::from_secs(2))
    }

    /// The same for another grace.
    #[track_caller]
    pub fn within(&self, grace: Duration) -> &Ended {
        assert!(self.took < grace + 2 * self.late, "{self:?}");
        assert_eq!(self.killed_by, None, "{self:?}");
        self
    }

    #[track_caller]
    pub fn exit(&self, code: i32) -> &Ended {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        if !self.report.is_null() {
            assert_eq!(self.report["exit"], code, "{}", self.report);
        }
        self
    }

    /// The lines and the JSON both name it among what was let go.
    #[track_caller]
    pub fn let_go(&self, kind: &str, name: &str) -> &Ended {
        let name = without_query(name);
        let line = format!("let go: {kind} {name}, ");
        assert!(self.stderr.contains(&line), "{}", self.stderr);
        let found = self.list("let_go");
        let it = found
            .iter()
            .find(|it| it["kind"] == kind && it["name"] == name);
        let it = it.unwrap_or_else(|| panic!("no {kind} {name} in {found:?}"));
        assert!(it["age_ms"].is_f64() && it["why"].is_string(), "{it}");
        self
    }

    /// Nothing was let go.
    #[track_caller]
    pub fn nothing_let_go(&self) -> &Ended {
        assert_eq!(self.list("let_go"), Vec::<Value>::new(), "{}", self.stderr);
        self
    }

    /// One of the report's lists.
    #[track_caller]
    pub fn list(&self, name: &str) -> Vec<Value> {
        match self.report[name].as_array() {
            Some(list) => list.clone(),
            None => panic!("no {name} in the report {}; {}", self.report, self.stderr),
        }
    }

    /// How long a phase lasted; zero if it was left out.
    #[track_caller]
    pub fn lasted(&self, phase: &str) -> Duration {
        let phases = self.list("phases");
        let found = phases.iter().find(|it| it["phase"] == phase);
        found.map_or(Duration::ZERO, |it| {
            Duration::from_secs_f64(it["ms"].as_f64().unwrap() / 1e3)
        })
    }
}
