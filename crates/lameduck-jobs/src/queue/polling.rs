//! When a worker that has found nothing looks for jobs again.
//!
//! # What must hold
//!
//! 1. An idle worker sleeps: the pauses double up to a bound.
//! 2. What is pushed in this process, or goes back here, is looked for soon, however long the worker has been
//!    idle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

/// The pace of one worker that has to look.
pub struct PollInterval {
    shortest: Duration,
    longest: Duration,
    news: Arc<News>,
    state: Mutex<PollState>,
}

struct PollState {
    next: Duration,
    seen: u64,
}

/// What is known in this process of a queue's jobs.
#[derive(Default)]
struct News {
    count: AtomicU64,
    changed: Notify,
}

/// By the name of the queue. Two queues of the same name in different places hear of each other, and look
/// once too often.
static NEWS: LazyLock<Mutex<HashMap<String, Arc<News>>>> = LazyLock::new(Mutex::default);

fn news(queue: &str) -> Arc<News> {
    let mut all = NEWS.lock().unwrap_or_else(|e| e.into_inner());
    match all.get(queue) {
        Some(news) => news.clone(),
        None => all.entry(queue.to_owned()).or_default().clone(),
    }
}

/// There may be jobs in `queue` now, or as soon as a transaction is committed.
pub fn tell(queue: &str) {
    let all = NEWS.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(news) = all.get(queue) {
        news.count.fetch_add(1, Ordering::AcqRel);
        news.changed.notify_waiters();
    }
}

impl PollInterval {
    /// The first pause, if nothing else is set: 100 ms.
    pub const SHORTEST: Duration = Duration::from_millis(100);

    /// For a worker of the queue of this name; pauses double up to `longest`.
    pub fn new(queue: &str, longest: Duration) -> PollInterval {
        PollInterval {
            shortest: PollInterval::SHORTEST,
            longest,
            news: news(queue),
            state: Mutex::new(PollState {
                next: PollInterval::SHORTEST,
                seen: 0,
            }),
        }
    }

    /// The first pause.
    pub fn set_shortest(&mut self, pause: Duration) {
        self.shortest = pause;
        self.longest = self.longest.max(pause);
        self.state().next = pause;
    }

    /// The longest pause.
    pub fn set_longest(&mut self, pause: Duration) {
        self.longest = pause.max(self.shortest);
    }

    fn state(&self) -> MutexGuard<'_, PollState> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// So many have been found.
    pub fn found(&self, jobs: usize) {
        let mut state = self.state();
        state.next = match jobs {
            0 => state
                .next
                .saturating_mul(2)
                .clamp(self.shortest, self.longest),
            _ => self.shortest,
        };
    }

    /// Completes when it is time to look. Cancel safe.
    pub async fn pause(&self) {
        let changed = self.news.changed.notified();
        let count = self.news.count.load(Ordering::Acquire);
        let (next, new) = {
            let mut state = self.state();
            let new = std::mem::replace(&mut state.seen, count) != count;
            (state.next, new)
        };
        if !new {
            tokio::select! {
                () = tokio::time::sleep(next) => return,
                () = changed => {}
            }
        }
        self.soon().await;
    }

    /// For who has heard of a job: it may take a moment until it is to be had.
    pub async fn soon(&self) {
        self.state().next = self.shortest;
        tokio::time::sleep(self.shortest).await;
    }
}

impl std::fmt::Debug for PollInterval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollInterval")
            .field("shortest", &self.shortest)
            .field("longest", &self.longest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    async fn pause(pace: &PollInterval) -> Duration {
        let begun = Instant::now();
        pace.pause().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_worker_looks_less_and_less_often_down_to_a_bound() {
        let pace = PollInterval::new("idle", ms(500));
        let mut pauses = Vec::new();
        for _ in 0..5 {
            pauses.push(pause(&pace).await);
            pace.found(0);
        }
        assert_eq!(pauses, [100, 200, 400, 500, 500].map(ms));
        pace.found(1);
        assert_eq!(pause(&pace).await, ms(100));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_pushed_here_is_looked_for_soon() {
        let pace = Arc::new(PollInterval::new("pushed", ms(60_000)));
        for _ in 0..20 {
            pace.found(0);
        }
        let looks = tokio::spawn({
            let pace = pace.clone();
            async move { pause(&pace).await }
        });
        tokio::time::sleep(ms(1_000)).await;
        tell("another");
        tokio::time::sleep(ms(1_000)).await;
        tell("pushed");
        assert_eq!(looks.await.unwrap(), ms(2_100));
        for _ in 0..20 {
            pace.found(0);
        }
        // While nobody waits.
        tell("pushed");
        assert_eq!(pause(&pace).await, ms(100));
    }
}
