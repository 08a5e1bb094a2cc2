//! What happened to which job when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Started,
    Done,
    Failed,
    GivenBack,
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

    pub fn write(&self, entry: Entry) {
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

    /// The jobs that these entries are about, in order, with repetitions.
    pub fn jobs(&self, worker: &str, what: What) -> Vec<u64> {
        let mut jobs: Vec<u64> = self.of(worker, what).iter().map(|it| it.job).collect();
        jobs.sort_unstable();
        jobs
    }

    /// How often this has happened to each job, at any worker.
    pub fn times(&self, what: What) -> BTreeMap<u64, usize> {
        let mut times = BTreeMap::new();
        for entry in self.entries() {
            if entry.what == what {
                *times.entry(entry.job).or_insert(0) += 1;
            }
        }
        times
    }

    /// This has happened exactly once to each of `jobs` jobs.
    pub fn assert_once_each(&self, what: What, jobs: usize) {
        let times = self.times(what);
        let once = times.values().filter(|times| **times == 1).count();
        assert_eq!((once, times.len()), (jobs, jobs), "{:#?}", self.entries());
    }

    /// Waits until `worker` has made so many entries of this kind.
    pub async fn until(&self, worker: &str, what: What, times: usize) {
        let wanted = format!("{what:?} {times} times at {worker}");
        self.until_seen(&wanted, |diary| diary.of(worker, what).len() >= times)
            .await;
    }

    /// Waits until so many jobs have been done, by whomever.
    pub async fn until_done(&self, jobs: usize) {
        let wanted = format!("{jobs} jobs done");
        self.until_seen(&wanted, |diary| diary.times(What::Done).len() >= jobs)
            .await;
    }

    async fn until_seen(&self, wanted: &str, seen: impl Fn(&Diary) -> bool) {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            while !seen(self) {
                changed.changed().await.expect("the sender is here");
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        let entries = self.entries();
        assert!(waited.is_ok(), "not in 60 s: {wanted}; so far {entries:#?}");
    }
}
