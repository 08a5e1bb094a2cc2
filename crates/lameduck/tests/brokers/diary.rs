//! What happened to which job when, and workers that write it down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use lameduck::{BoxError, Exit, Handle, Job, Jobs, Lifecycle, Queue};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Started,
    Done,
    Cancelled,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub job: u64,
    pub what: What,
    pub attempt: u32,
    pub worker: &'static str,
    pub at: Instant,
}

#[derive(Clone)]
pub struct Diary {
    entries: Arc<Mutex<Vec<Entry>>>,
    changed: Arc<watch::Sender<()>>,
}

impl Diary {
    pub fn new() -> Diary {
        Diary {
            entries: Arc::default(),
            changed: Arc::new(watch::channel(()).0),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().expect("nobody panics while writing")
    }

    fn write(&self, entry: Entry) {
        self.pages().push(entry);
        self.changed.send_replace(());
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.pages().clone()
    }

    /// The entries of this kind that `worker` has made.
    pub fn of(&self, worker: &str, what: What) -> Vec<Entry> {
        let mut entries = self.entries();
        entries.retain(|entry| entry.worker == worker && entry.what == what);
        entries
    }

    /// How often each job was done.
    pub fn done(&self) -> BTreeMap<u64, usize> {
        let mut done = BTreeMap::new();
        for entry in self.entries() {
            if entry.what == What::Done {
                *done.entry(entry.job).or_insert(0) += 1;
            }
        }
        done
    }

    /// Waits until `seen` says that enough has happened.
    pub async fn until(&self, what: &str, seen: impl Fn(&Diary) -> bool) {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            while !seen(self) {
                changed.changed().await.expect("the sender is here");
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        assert!(
            waited.is_ok(),
            "not in 60 s: {what}; so far {:#?}",
            self.entries()
        );
    }
}

/// How long the jobs of a worker take.
#[derive(Clone)]
pub enum Takes {
    Time(Duration),
    /// Until it is cancelled.
    Forever,
    /// Until this is true.
    Until(watch::Receiver<bool>),
    /// The first attempt fails.
    Failing,
}

pub struct Worker {
    pub handle: Handle,
    ended: JoinHandle<Exit>,
}

pub fn work(
    queue: impl Queue,
    diary: &Diary,
    name: &'static str,
    takes: Takes,
    (concurrency, prefetch): (usize, usize),
    grace: Duration,
) -> Worker {
    let diary = diary.clone();
    let jobs = Jobs::new(name, queue, move |number: u64, job: Job| {
        run(number, job, name, takes.clone(), diary.clone())
    });
    let life = Lifecycle::embedded()
        .grace(grace)
        .work(jobs.concurrency(concurrency).prefetch(prefetch));
    let handle = life.handle();
    Worker {
        handle,
        ended: tokio::spawn(life.run()),
    }
}

impl Worker {
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
) -> Result<(), BoxError> {
    let mut page = Page {
        diary,
        entry: Entry {
            job: number,
            what: What::Cancelled,
            attempt: job.attempt(),
            worker,
            at: Instant::now(),
        },
    };
    page.write(What::Started);
    match takes {
        Takes::Time(time) => tokio::time::sleep(time).await,
        Takes::Forever => std::future::pending().await,
        Takes::Until(mut open) => {
            open.wait_for(|open| *open).await?;
        }
        Takes::Failing if job.attempt() == 1 => {
            page.entry.what = What::Started;
            return Err("the first attempt fails".into());
        }
        Takes::Failing => {}
    }
    page.write(What::Done);
    Ok(())
}

/// Writes down a cancellation when it is dropped before the end.
struct Page {
    diary: Diary,
    entry: Entry,
}

impl Page {
    fn write(&mut self, what: What) {
        let mut entry = self.entry.clone();
        entry.what = what;
        entry.at = Instant::now();
        if what == What::Done {
            self.entry.what = What::Done;
        }
        self.diary.write(entry);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.entry.what == What::Cancelled {
            self.write(What::Cancelled);
        }
    }
}
