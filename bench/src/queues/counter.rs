//! How many jobs have been worked off, and how fast.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::sync::Notify;

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Counts jobs. Clones are one.
#[derive(Clone)]
pub struct Counter {
    shared: Arc<Shared>,
}

struct Shared {
    jobs: u64,
    count: AtomicU64,
    first: OnceLock<Instant>,
    last: OnceLock<Instant>,
    full: Notify,
}

impl Counter {
    /// Full after so many.
    pub fn new(jobs: u64) -> Counter {
        Counter {
            shared: Arc::new(Shared {
                jobs,
                count: AtomicU64::new(0),
                first: OnceLock::new(),
                last: OnceLock::new(),
                full: Notify::new(),
            }),
        }
    }

    /// One more.
    pub fn count(&self) {
        let it = &*self.shared;
        let before = it.count.fetch_add(1, Ordering::AcqRel);
        if before == 0 {
            it.first.get_or_init(Instant::now);
        }
        if before + 1 == it.jobs {
            it.last.get_or_init(Instant::now);
            it.full.notify_one();
        }
    }

    /// Completes with the last one.
    pub async fn full(&self) -> anyhow::Result<()> {
        let it = &*self.shared;
        if tokio::time::timeout(PATIENCE, it.full.notified())
            .await
            .is_err()
        {
            let count = it.count.load(Ordering::Acquire);
            bail!("{count} of {} jobs were done in {PATIENCE:?}", it.jobs);
        }
        Ok(())
    }

    /// How many a second, from the first to the last: to connect and to subscribe does not count.
    pub fn per_second(&self) -> f64 {
        let it = &*self.shared;
        match (it.first.get(), it.last.get()) {
            (Some(first), Some(last)) => (it.jobs - 1) as f64 / (*last - *first).as_secs_f64(),
            _ => f64::NAN,
        }
    }
}
