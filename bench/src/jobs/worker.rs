//! A shop in a process of its own, and the papers it leaves: its log and its report.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};

use super::log::{Line, lines};
use super::wire::Wire;
use crate::shop;

/// How many receipts are sent at a time: enough that none waits for another.
const WORKERS: &str = "64";
/// How long the jobs of a killed shop stay its own.
pub const LEASE: Duration = Duration::from_secs(3);

/// How long a shop may take to start; a broker that is just up is slow.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);

/// A shop that runs. Killed when dropped.
pub struct Worker {
    number: u32,
    child: Child,
    log: PathBuf,
    report: PathBuf,
    /// Where customers order.
    pub address: SocketAddr,
    admin: SocketAddr,
    ready: SystemTime,
    grace: Duration,
}

/// What is left of a shop.
pub struct Gone {
    /// Which: they are counted.
    pub number: u32,
    /// When it was ready to serve and to work.
    pub ready: SystemTime,
    /// When it was told to stop.
    pub signalled: SystemTime,
    /// From the signal to the end of the process.
    pub took: Duration,
    /// Its exit code; `None` if a signal ended it.
    pub exit: Option<i32>,
    /// Its report; `None` if it left none.
    pub report: Option<Report>,
    /// What its log says of jobs.
    pub lines: Vec<Line>,
}

/// The report of a shutdown, as far as it matters here.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// What was let go.
    pub let_go: Vec<LetGo>,
    /// Whether the end was forced.
    pub forced: bool,
}

/// Something that was let go.
#[derive(Debug, Deserialize)]
pub struct LetGo {
    /// `job`, `request`, …
    pub kind: String,
    /// The queue and the job's id, if it is a job.
    pub name: String,
    /// Why, and what has become of it.
    pub why: String,
}

impl Worker {
    /// Starts shop `number` and waits until it is ready. To be called from a thread that outlives
    /// the shop, which ends when that thread does.
    pub async fn start(
        number: u32,
        place: &[String],
        grace: Duration,
        papers: &Path,
    ) -> anyhow::Result<Worker> {
        let at = shop::Place::free()?;
        let log = papers.join(format!("shop-{number}.log"));
        let report = papers.join(format!("shop-{number}.json"));
        let output = std::fs::File::create(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(shop::this_program()?);
        command
            .args(at.arguments(grace))
            .args(["--workers", WORKERS])
            .args(["--lease", &format!("{}ms", LEASE.as_millis())])
            .args(place)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .kill_on_drop(true);
        for variable in shop::not_for_shops() {
            command.env_remove(variable);
        }
        command
            .env("RUST_LOG", "info,lameduck::report=off,shop=debug")
            .env("LAMEDUCK_REPORT", &report);
        let child = command.spawn().context("cannot start a shop")?;
        let mut worker = Worker {
            number,
            child,
            log,
            report,
            address: at.listen,
            admin: at.admin,
            ready: SystemTime::now(),
            grace,
        };
        worker.until_ready().await?;
        worker.ready = SystemTime::now();
        Ok(worker)
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !is_ready(self.admin).await {
            if let Some(status) = self.child.try_wait()? {
                bail!("a shop ended at its start with {status}: {}", self.said());
            }
            if began.elapsed() > STARTS_WITHIN {
                bail!("a shop was not ready in {STARTS_WITHIN:?}: {}", self.said());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Sends the signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<Signalled> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw).context("a shop is gone")?;
        let signalled = Signalled {
            at: SystemTime::now(),
            clock: Instant::now(),
        };
        kill_process(pid, signal).context("cannot send a signal to a shop")?;
        Ok(signalled)
    }

    /// Waits for its end. One that is still there well after its grace is killed.
    pub async fn end(mut self, signalled: Signalled) -> anyhow::Result<Gone> {
        let patience = self.grace + Duration::from_secs(2);
        let status = match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status?,
            Err(_) => {
                self.child.kill().await.context("cannot kill a shop")?;
                self.child.wait().await?
            }
        };
        let took = signalled.clock.elapsed();
        let report = match std::fs::read(&self.report) {
            Ok(json) => Some(serde_json::from_slice(&json).context("a report is not JSON")?),
            Err(_) => None,
        };
        Ok(Gone {
            number: self.number,
            ready: self.ready,
            signalled: signalled.at,
            took,
            exit: status.code(),
            report,
            lines: lines(&std::fs::read_to_string(&self.log)?),
        })
    }

    fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(10).collect();
        tail.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// When a signal was sent.
#[derive(Clone, Copy)]
pub struct Signalled {
    at: SystemTime,
    clock: Instant,
}

async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut wire) = Wire::open(admin).await else {
        return false;
    };
    wire.get("/readyz").await.is_ok_and(|it| it.status == 200)
}
