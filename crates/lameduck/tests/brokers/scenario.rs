//! What must hold for a worker on any queue. Each function is one test, given a place to push jobs
//! to and take them from.

// Which of these are called depends on the features.
#![allow(dead_code)]

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lameduck::{BoxError, Exit, Handle, Job, Jobs, Lifecycle, Queue};
use tokio::task::JoinHandle;

/// A queue on a real server.
pub trait Place: Send + Sync + 'static {
    type Queue: Queue;

    /// Another worker's view of the queue. Its leases last for [`LEASE`], where the queue knows
    /// such a thing.
    fn queue(&self) -> impl Future<Output = Self::Queue> + Send;

    /// Pushes a job that says `n`.
    fn push(&self, n: u64) -> impl Future<Output = ()> + Send;
}

/// The lease in these tests.
pub const LEASE: Duration = Duration::from_secs(3);

/// What a job may be told to do.
#[derive(Clone, Copy)]
pub enum Does {
    Return,
    FailOnce,
    Sleep(Duration),
}

/// When which job began and ended, at which worker.
#[derive(Clone)]
pub struct Notes {
    lines: Arc<Mutex<Vec<Line>>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub worker: &'static str,
    pub n: u64,
    pub what: What,
    pub attempt: u32,
    pub at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Began,
    Ended,
}

impl Notes {
    pub fn new() -> Notes {
        Notes {
            lines: Arc::default(),
        }
    }

    fn note(&self, worker: &'static str, n: u64, what: What, attempt: u32) {
        let at = Instant::now();
        self.lines.lock().unwrap().push(Line {
            worker,
            n,
            what,
            attempt,
            at,
        });
    }

    pub fn all(&self, what: What) -> Vec<Line> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .copied()
            .filter(|line| line.what == what)
            .collect()
    }

    /// The jobs that have come to their end, in order, with repetitions.
    pub fn ended(&self) -> Vec<u64> {
        let mut ended: Vec<u64> = self.all(What::Ended).iter().map(|line| line.n).collect();
        ended.sort_unstable();
        ended
    }

    pub async fn until(&self, what: &str, done: impl Fn(&Notes) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(self) {
            assert!(
                Instant::now() < deadline,
                "{what}: {:?}",
                self.lines.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A worker with a life of its own.
pub struct Worker {
    pub handle: Handle,
    pub life: JoinHandle<Exit>,
}

impl Worker {
    pub async fn stop(self) -> Exit {
        self.handle.shutdown("test");
        self.life.await.unwrap()
    }
}

pub struct Settings {
    pub grace: Duration,
    pub concurrency: usize,
    pub prefetch: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            grace: Duration::from_secs(10),
            concurrency: 4,
            prefetch: 4,
        }
    }
}

pub async fn start(
    worker: &'static str,
    place: &impl Place,
    notes: &Notes,
    settings: Settings,
    does: impl Fn(u64) -> Does + Send + Sync + 'static,
) -> Worker {
    let notes = notes.clone();
    let run = move |n: u64, job: Job| {
        let (notes, does) = (notes.clone(), does(n));
        async move {
            notes.note(worker, n, What::Began, job.attempt());
            match does {
                Does::Return => {}
                Does::FailOnce if job.attempt() == 1 => return Err(BoxError::from("once")),
                Does::FailOnce => {}
                Does::Sleep(time) => tokio::time::sleep(time).await,
            }
            notes.note(worker, n, What::Ended, job.attempt());
            Ok(())
        }
    };
    let jobs = Jobs::new(worker, place.queue().await, run)
        .concurrency(settings.concurrency)
        .prefetch(settings.prefetch);
    let life = Lifecycle::embedded().grace(settings.grace).work(jobs);
    let handle = life.handle();
    Worker {
        handle,
        life: tokio::spawn(life.run()),
    }
}

/// Every job is done, one that fails is tried again, and nothing comes a second time.
pub async fn acknowledged_only_after_success(place: impl Place) {
    let notes = Notes::new();
    for n in 0..50 {
        place.push(n).await;
    }
    let does = |n| {
        if n % 10 == 0 {
            Does::FailOnce
        } else {
            Does::Return
        }
    };
    let first = start("first", &place, &notes, Settings::default(), does).await;
    notes
        .until("all are done", |notes| notes.ended().len() >= 50)
        .await;
    assert_eq!(first.stop().await, Exit::CLEAN);
    assert_eq!(notes.ended(), (0..50).collect::<Vec<_>>());
    let again = notes
        .all(What::Began)
        .iter()
        .filter(|line| line.attempt > 1)
        .count();
    assert_eq!(
        again, 5,
        "those that failed have a second attempt, which knows it"
    );

    // A second worker finds nothing, also after the leases of the first.
    let second = start("second", &place, &notes, Settings::default(), does).await;
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(second.stop().await, Exit::CLEAN);
    assert_eq!(notes.ended().len(), 50);
}

/// What is let go starts elsewhere within a second, although its lease has not ended.
pub async fn given_back_at_the_deadline(place: impl Place) {
    let notes = Notes::new();
    let settings = || Settings {
        grace: Duration::from_secs(3),
        ..Settings::default()
    };
    for n in 0..3 {
        place.push(n).await;
    }
    let forever = |_| Does::Sleep(Duration::from_secs(600));
    let first = start("first", &place, &notes, settings(), forever).await;
    notes
        .until("three run", |notes| notes.all(What::Began).len() == 3)
        .await;
    let second = start("second", &place, &notes, settings(), |_| Does::Return).await;
    let budget = first.handle.budget();
    let began = Instant::now();
    assert_eq!(first.stop().await, Exit::LET_GO);
    notes
        .until("three are done", |notes| notes.ended().len() == 3)
        .await;
    for line in notes
        .all(What::Began)
        .iter()
        .filter(|line| line.worker == "second")
    {
        let late = line
            .at
            .duration_since(began)
            .saturating_sub(budget.drain_until());
        assert!(
            late < Duration::from_secs(1),
            "{late:?} after it was let go: {line:?}"
        );
        assert!(
            line.at.duration_since(began) >= budget.drain_until(),
            "{line:?}"
        );
    }
    assert_eq!(second.stop().await, Exit::CLEAN);
}

/// What was fetched ahead and has not started goes back when the shutdown begins.
pub async fn fetched_ahead_goes_back_at_once(place: impl Place) {
    let notes = Notes::new();
    for n in 0..9 {
        place.push(n).await;
    }
    let narrow = Settings {
        concurrency: 1,
        prefetch: 8,
        ..Settings::default()
    };
    let first = start("first", &place, &notes, narrow, |_| {
        Does::Sleep(Duration::from_secs(5))
    })
    .await;
    notes
        .until("one runs", |notes| notes.all(What::Began).len() == 1)
        .await;
    let second = start("second", &place, &notes, Settings::default(), |_| {
        Does::Return
    })
    .await;
    // So that the second is subscribed, and what it gets comes from the first.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    first.handle.shutdown("test");
    notes
        .until("the others are done", |notes| notes.ended().len() == 8)
        .await;
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "{took:?} until they were done elsewhere"
    );
    assert_eq!(
        first.stop().await,
        Exit::CLEAN,
        "the one that runs has the time that it needs"
    );
    assert_eq!(notes.ended(), (0..9).collect::<Vec<_>>());
    assert_eq!(second.stop().await, Exit::CLEAN);
}

/// A job that takes several times as long as its lease is done once, also in a drain.
pub async fn leases_are_kept_throughout_the_drain(place: impl Place) {
    let notes = Notes::new();
    place.push(7).await;
    let settings = || Settings {
        grace: Duration::from_secs(20),
        ..Settings::default()
    };
    let first = start("first", &place, &notes, settings(), |_| {
        Does::Sleep(LEASE * 3)
    })
    .await;
    notes
        .until("it runs", |notes| notes.all(What::Began).len() == 1)
        .await;
    let second = start("second", &place, &notes, settings(), |_| Does::Return).await;
    assert_eq!(first.stop().await, Exit::CLEAN);
    tokio::time::sleep(LEASE).await;
    assert_eq!(second.stop().await, Exit::CLEAN);
    assert_eq!(notes.ended(), [7]);
    assert_eq!(notes.all(What::Began).len(), 1, "nobody else has had it");
}

/// What a worker held that is gone without a word comes to another.
pub async fn a_crash_leaves_all_redeliverable(place: impl Place) {
    let notes = Notes::new();
    for n in 0..8 {
        place.push(n).await;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let narrow = Settings {
        concurrency: 2,
        ..Settings::default()
    };
    let place = Arc::new(place);
    let (theirs, noted) = (place.clone(), notes.clone());
    let begun = runtime.spawn(async move {
        let forever = |_| Does::Sleep(Duration::from_secs(600));
        start("first", &*theirs, &noted, narrow, forever).await
    });
    let first = begun.await.unwrap();
    notes
        .until("two run", |notes| notes.all(What::Began).len() == 2)
        .await;
    runtime.shutdown_background();
    drop(first);
    let second = start("second", &*place, &notes, Settings::default(), |_| {
        Does::Return
    })
    .await;
    notes
        .until("all are done", |notes| notes.ended().len() >= 8)
        .await;
    assert_eq!(second.stop().await, Exit::CLEAN);
    assert_eq!(notes.ended(), (0..8).collect::<Vec<_>>());
}
