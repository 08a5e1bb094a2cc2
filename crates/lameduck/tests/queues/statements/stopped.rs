//! A worker whose process is stopped (`SIGSTOP`) for longer than its leases last, and goes on then.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lameduck::{BoxError, Exit, Job, Jobs, Lifecycle};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::diary::Diary;
use crate::server::{Addressed, assert_left};
use crate::worker::{Takes, Worker};

/// Makes this test be the worker, on the server at this address.
const BE_THE_WORKER: &str = "LAMEDUCK_TEST_WORKER_ON";

pub async fn jobs_accounted_when_a_worker_is_stopped_for_longer_than_its_lease<S: Addressed>() {
    if let Ok(address) = std::env::var(BE_THE_WORKER) {
        return be_the_worker::<S>(&address).await;
    }
    let Some(server) = S::start().await else {
        return;
    };
    server.push(0..2).await;
    let (mut stopped, mut lines) = Process::start(&server.address());
    let started = [lines.next("started").await.1, lines.next("started").await.1];
    assert!(started.contains(&0) && started.contains(&1), "{started:?}");
    stopped.send(Signal::STOP);
    let diary = Diary::new();
    let other = Worker::new("other", Takes::NO_TIME);
    let other = other.start(server.queue().await, &diary);
    diary.until_done(2).await;

    let goes_on = now();
    stopped.send(Signal::CONT);
    for _ in 0..2 {
        lines.next("cancelled").await;
    }
    let steps = lines.seen.iter().filter(|(what, _, _)| what == "step");
    let late: Vec<_> = steps.filter(|(_, _, at)| *at >= goes_on).collect();
    // Without a lease it has to hear of it first.
    assert!(S::LEASE.is_zero() || late.is_empty(), "{late:?}");
    stopped.end();
    assert_eq!(other.stop().await, Exit::CLEAN);
    assert_left(&server, 0).await;
}

/// Writes a line for whatever happens, until its standard input ends.
async fn be_the_worker<S: Addressed>(address: &str) {
    let jobs = Jobs::new("stopped", S::queue_at(address).await, run);
    let life = Lifecycle::embedded().component(jobs.concurrency(2).prefetch(0));
    let handle = life.handle();
    let ended = tokio::spawn(life.run());
    let _ = tokio::io::stdin().read(&mut [0]).await;
    handle.shutdown("test");
    let exit = ended.await.expect("a lifecycle does not panic");
    // Of what was cancelled a moment ago it may still have to tell that another worker has it.
    assert!([Exit::CLEAN, Exit::LET_GO].contains(&exit), "{exit:?}");
}

async fn run(number: u64, _job: Job) -> Result<(), BoxError> {
    say("started", number);
    let _cancelled = Cancelled(number);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        say("step", number);
    }
}

struct Cancelled(u64);

impl Drop for Cancelled {
    fn drop(&mut self) {
        say("cancelled", self.0);
    }
}

fn say(what: &str, number: u64) {
    println!("@ {what} {number} {}", now());
}

/// Milliseconds by a clock that both processes have.
fn now() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
}

/// This test in a process of its own, as the worker.
struct Process(Child);

/// What it says: what, of which job, when.
struct Lines {
    coming: mpsc::UnboundedReceiver<(String, u64, i64)>,
    seen: Vec<(String, u64, i64)>,
}

impl Process {
    fn start(address: &str) -> (Process, Lines) {
        let this = std::thread::current();
        let this = this.name().expect("a test's thread has its name");
        let tests = std::env::current_exe().expect("it is running");
        let mut child = Command::new(tests)
            .args([this, "--exact", "--nocapture"])
            .env(BE_THE_WORKER, address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it is there");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (said, coming) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The harness may have begun the line.
                let Some((_, line)) = line.split_once("@ ") else {
                    continue;
                };
                let words: Vec<&str> = line.split(' ').collect();
                let [what, number, at] = words[..] else {
                    continue;
                };
                if let (Ok(number), Ok(at)) = (number.parse(), at.parse()) {
                    let _ = said.send((what.to_owned(), number, at));
                }
            }
        });
        let seen = Vec::new();
        (Process(child), Lines { coming, seen })
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it is there");
    }

    /// Asks it to end, and waits for that.
    fn end(&mut self) {
        drop(self.0.stdin.take());
        let ended = self.0.wait().expect("it is ours");
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Lines {
    /// Waits for the next line that says `what`.
    async fn next(&mut self, what: &str) -> (String, u64, i64) {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(60), self.coming.recv()).await;
            let line = line.expect("it says something").expect("it has not ended");
            self.seen.push(line.clone());
            if line.0 == what {
                return line;
            }
        }
    }
}
