//! Keeping the leases of everything held alive, from the first job taken to the last one settled.
//!
//! # What must hold
//!
//! What the queue is asked is not broken off: a database session in the middle of a query cannot say
//! goodbye. So the keeper is asked to end and waited for, as long as there is time for that.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::desk::Desk;
use super::held::Roster;
use super::pause::Pause;
use super::queue::Queue;

/// The longest that a queue which no longer answers holds up the end of its worker.
const ANSWER: Duration = Duration::from_secs(1);

/// A keeper at work. Dropped, it is broken off.
pub(super) struct Keeper {
    running: JoinHandle<()>,
    end: Arc<Notify>,
}

impl Keeper {
    /// Renews all leases every so often.
    pub(super) fn start<Q: Queue>(
        every: Duration,
        desk: Arc<Desk<Q>>,
        roster: Arc<Roster<Q::Lease>>,
    ) -> Keeper {
        let end = Arc::new(Notify::new());
        Keeper {
            running: tokio::spawn(run(every, desk, roster, end.clone())),
            end,
        }
    }

    /// Ends it once its queue has answered what it was asked last.
    pub(super) async fn end(mut self, too_late: impl Future<Output = ()>) {
        self.end.notify_one();
        tokio::select! {
            _ = tokio::time::timeout(ANSWER, &mut self.running) => {}
            () = too_late => {}
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn run<Q: Queue>(
    every: Duration,
    desk: Arc<Desk<Q>>,
    roster: Arc<Roster<Q::Lease>>,
    end: Arc<Notify>,
) {
    let every = every.max(Duration::from_millis(1));
    // Not at once: there is nothing to keep yet, and the queue may not know the worker before it is
    // open.
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = Pause::new();
    loop {
        tokio::select! {
            () = end.notified() => return,
            _ = ticks.tick() => {}
        }
        let mut held = roster.all();
        loop {
            let leases: Vec<&Q::Lease> = held.iter().map(|it| &it.lease).collect();
            match desk.queue.keep(&leases).await {
                Ok(lost) => {
                    pause.over(&desk.name, "keeping leases");
                    for position in lost.0 {
                        if let Some(it) = held.get(position) {
                            desk.lost(it);
                        }
                    }
                    break;
                }
                Err(error) => {
                    let pause = pause.after(&desk.name, "keeping leases", &error);
                    tokio::select! {
                        () = end.notified() => return,
                        () = tokio::time::sleep(pause.min(every)) => {}
                    }
                    held = roster.all();
                }
            }
        }
    }
}
