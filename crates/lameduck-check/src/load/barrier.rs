//! The barrier before a signal: it goes out when every client that is to be caught at a moment is there.
//!
//! # What must hold
//! - A client is at its moment when the target has read what it has sent so far; where nobody can look at that, when it has
//!   had time to.
//! - Whoever cannot get there, or ends, is not waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::watch;

use super::attempt::Attempt;
use super::stage::Stage;
use crate::ledger::Held;
use crate::wire::{Reach, Tracer};

/// How often it is looked whether a moment is reached.
const LOOK: Duration = Duration::from_millis(3);
/// A target that has not read by then what its kernel has may never do so: it is busy, or waits for more.
const UNREAD: Duration = Duration::from_millis(300);
/// What a target needs to read where it cannot be seen.
const UNSEEN: Duration = Duration::from_millis(20);
/// After the signal clients go on so many milliseconds later.
const PAUSE: std::ops::Range<u64> = 30..250;

/// Who is not there yet, counted. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Barrier(Arc<watch::Sender<usize>>);

impl Barrier {
    /// One more is to be waited for, until this is dropped.
    pub(crate) fn place(&self) -> BarrierPlace {
        self.0.send_modify(|missing| *missing += 1);
        BarrierPlace(self.clone())
    }

    /// Waits until everybody is there.
    pub(crate) async fn is_complete(&self) {
        // Fails only without a sender, which this is.
        drop(self.0.subscribe().wait_for(|missing| *missing == 0).await);
    }
}

/// Somebody who is waited for.
pub(crate) struct BarrierPlace(Barrier);

impl Drop for BarrierPlace {
    fn drop(&mut self) {
        self.0.0.send_modify(|missing| *missing -= 1);
    }
}

/// When a client has to be at its moment.
pub(crate) struct Cue {
    /// When the signal is to come.
    pub(super) signal: Instant,
    /// The round trip.
    pub(super) rtt: Duration,
    pub(super) place: BarrierPlace,
}

impl Cue {
    /// For one more client.
    pub(crate) fn new(stage: &Stage, signal: Instant, rtt: Duration) -> Self {
        let place = stage.barrier().place();
        Self { signal, rtt, place }
    }

    /// When a client begins that needs a round trip to be there, and has `early` milliseconds.
    pub(super) fn begins(&self, random: &mut StdRng, early: std::ops::Range<u64>) -> Instant {
        let early =
            Duration::from_micros(random.random_range(early.start * 1000..early.end * 1000));
        self.signal - early - self.rtt * 2
    }
}

/// Waits until the target has what was sent so far, and stands at the barrier with it.
pub(super) async fn hold(stage: &Stage, attempt: &mut Attempt, tracer: &Tracer) {
    match held(stage, tracer).await {
        Some(held) => attempt.is_at_its_moment(held),
        None => attempt.place = None,
    }
}

/// As [`hold`], for what is no request. `None` when the signal came first, or the connection ended.
pub(super) async fn held(stage: &Stage, tracer: &Tracer) -> Option<Held> {
    let mut arrived: Option<Instant> = None;
    while !stage.is_signalled() && !stage.is_over() {
        let (now, seen) = (Instant::now(), tracer.look());
        if seen.has_ended() {
            break;
        }
        let reach = seen.reach();
        let held = Some(Held { at: now, reach });
        let patience = match reach {
            Reach::Read => return held,
            Reach::UnderWay => None,
            Reach::Delivered if seen.sees_the_target() => Some(UNREAD),
            Reach::Delivered | Reach::Sent => Some(UNSEEN),
        };
        match patience {
            Some(patience) if now - *arrived.get_or_insert(now) >= patience => return held,
            Some(_) => {}
            None => arrived = None,
        }
        stage.sleep(LOOK).await;
    }
    None
}

/// Waits until the kernel holds an answer that nobody has taken, and stands at the barrier with it.
pub(super) async fn hold_unread(
    stage: &Stage,
    attempt: &mut Attempt,
    mut has_come: impl FnMut() -> bool,
) {
    while !stage.is_signalled() && !stage.is_over() {
        if has_come() {
            return attempt.is_at_its_moment(Held {
                at: Instant::now(),
                reach: Reach::Read,
            });
        }
        stage.sleep(LOOK).await;
    }
    attempt.place = None;
}

/// Waits for the signal, and a little longer: a client that is slow itself.
pub(super) async fn after_the_signal(stage: &Stage, random: &mut StdRng, rtt: Duration) {
    stage.signal().await;
    let pause = Duration::from_millis(random.random_range(PAUSE));
    stage.sleep(pause + rtt).await;
}
