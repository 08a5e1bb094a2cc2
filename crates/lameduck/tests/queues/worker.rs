//! Workers with a life of their own, which write down what they do.

use std::time::{Duration, Instant};

use lameduck::{BoxError, Exit, Handle, Job, Jobs, Lifecycle, Outcome, Queue};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::diary::{Diary, Entry, What};

/// How long the jobs of a worker take.
#[derive(Clone)]
pub enum Takes {
    Time(Duration),
    /// Until it is cancelled.
    Forever,
    /// Until this is true.
    Until(watch::Receiver<bool>),
    /// No time at all, but the first attempt fails.
    TwoAttempts,
    /// Until the shutdown begins; then the job gives itself back.
    UntilDraining,
}

impl Takes {
    pub const NO_TIME: Takes = Takes::Time(Duration::ZERO);
}

/// A worker to be started.
pub struct Worker {
    name: &'static str,
    takes: Takes,
    concurrency: usize,
    prefetch: usize,
    grace: Duration,
}

/// A worker at work.
pub struct AtWork {
    pub handle: Handle,
    ended: JoinHandle<Exit>,
}

impl Worker {
    /// One that runs four jobs at a time, fetches four ahead, and has all the time it may need.
    pub fn new(name: &'static str, takes: Takes) -> Worker {
        Worker {
            name,
            takes,
            concurrency: 4,
            prefetch: 4,
            grace: Duration::from_secs(30),
        }
    }

    pub fn holds(mut self, concurrency: usize, prefetch: usize) -> Worker {
        self.concurrency = concurrency;
        self.prefetch = prefetch;
        self
    }

    pub fn grace(mut self, grace: Duration) -> Worker {
        self.grace = grace;
        self
    }

    pub fn start(self, queue: impl Queue, diary: &Diary) -> AtWork {
        let (diary, name, takes) = (diary.clone(), self.name, self.takes);
        let jobs = Jobs::new(name, queue, move |number: u64, job: Job| {
            run(number, job, name, takes.clone(), diary.clone())
        });
        let jobs = jobs.concurrency(self.concurrency).prefetch(self.prefetch);
        let life = Lifecycle::embedded().grace(self.grace).component(jobs);
        let handle = life.handle();
        AtWork {
            handle,
            ended: tokio::spawn(life.run()),
        }
    }
}

impl AtWork {
    /// Shuts it down and waits for its end.
    pub async fn stop(self) -> Exit {
        self.handle.shutdown("test");
        self.ended.await.expect("a lifecycle does not panic")
    }
}

async fn run(
    number: u64,
    job: Job,
    worker: &'static str,
    takes: Takes,
    diary: Diary,
) -> Result<Outcome, BoxError> {
    let mut page = Page {
        diary,
        job: number,
        attempt: job.attempt(),
        worker,
        over: false,
    };
    page.write(What::Started);
    match takes {
        Takes::Time(time) => tokio::time::sleep(time).await,
        Takes::Forever => std::future::pending().await,
        Takes::Until(mut open) => {
            open.wait_for(|open| *open).await?;
        }
        Takes::TwoAttempts if job.attempt() == 1 => {
            page.end(What::Failed);
            return Err("the first attempt fails".into());
        }
        Takes::TwoAttempts => {}
        Takes::UntilDraining => {
            job.until_shutdown().await;
            page.end(What::GivenBack);
            return Ok(Outcome::GiveBack);
        }
    }
    page.end(What::Done);
    Ok(Outcome::Done)
}

/// Where one attempt at a job is written down.
struct Page {
    diary: Diary,
    job: u64,
    attempt: u32,
    worker: &'static str,
    over: bool,
}

impl Page {
    fn write(&self, what: What) {
        self.diary.write(Entry {
            job: self.job,
            what,
            attempt: self.attempt,
            worker: self.worker,
            at: Instant::now(),
        });
    }

    fn end(&mut self, what: What) {
        self.over = true;
        self.write(what);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !self.over {
            self.write(What::Cancelled);
        }
    }
}
