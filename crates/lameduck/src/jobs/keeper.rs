//! Keeping the leases of everything held alive, from the first job taken to the last one settled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::held::Roster;
use super::pause::Pause;
use super::queue::Queue;
use super::settle::Desk;

/// Renews all leases every so often. Runs until it is dropped.
pub(super) async fn run<Q: Queue>(
    every: Duration,
    desk: Arc<Desk<Q>>,
    roster: Arc<Roster<Q::Lease>>,
) {
    let every = every.max(Duration::from_millis(1));
    // Not at once: there is nothing to keep yet, and the queue may not know the worker before it is
    // open.
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pause = Pause::new();
    loop {
        ticks.tick().await;
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
                    tokio::time::sleep(pause.min(every)).await;
                    held = roster.all();
                }
            }
        }
    }
}
