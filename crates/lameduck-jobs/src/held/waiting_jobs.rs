//! The jobs that have been taken and not been started, and the runners that start them.
//!
//! # What must hold
//!
//! 1. A job is handed out once: to a runner, or from the beginning of the shutdown on to who gives
//!    back the rest.
//! 2. No job waits while fewer runners are at work than there may be: there is a runner that is free
//!    for it, or one more is wanted.
//!
//! A runner is free, and counted as that, from before it asks until it has a job. So one that is on its
//! way to the last job is not taken for one that would start another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, Semaphore};

use super::held_jobs::HeldJob;
use lameduck_core::Handle;

/// The jobs of one worker that wait for a runner.
pub(crate) struct WaitingJobs<L> {
    handle: Handle,
    state: Mutex<WaitingState<L>>,
    /// A permit for each job that waits.
    jobs: Semaphore,
    /// Runners are wanted; or something is to be given back, or nothing more will come.
    changed: Notify,
}

struct WaitingState<L> {
    jobs: VecDeque<Arc<HeldJob<L>>>,
    /// How many runners there are, those that are wanted included.
    runners: usize,
    /// How many there may be.
    most: usize,
    /// How many of them have no job.
    free: usize,
    /// How many have not been started yet.
    wanted: usize,
    /// Nothing more comes.
    complete: bool,
}

impl<L> WaitingState<L> {
    /// Wants as many more runners as there are jobs that no free one is there for.
    fn want(&mut self) -> bool {
        let unserved = self.jobs.len().saturating_sub(self.free);
        let more = unserved.min(self.most - self.runners);
        self.runners += more;
        self.free += more;
        self.wanted += more;
        more > 0
    }
}

impl<L> WaitingJobs<L> {
    /// For at most so many runners at a time.
    pub(crate) fn new(handle: Handle, most: usize) -> WaitingJobs<L> {
        WaitingJobs {
            handle,
            state: Mutex::new(WaitingState {
                jobs: VecDeque::new(),
                runners: 0,
                most,
                free: 0,
                wanted: 0,
                complete: false,
            }),
            jobs: Semaphore::new(0),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, WaitingState<L>> {
        // Each change of it is whole before anything that could panic.
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Completes when runners are to be started: so many. Cancel safe.
    pub(crate) async fn runners_wanted(&self) -> usize {
        loop {
            let wanted = std::mem::take(&mut self.state().wanted);
            if wanted > 0 {
                return wanted;
            }
            self.changed.notified().await;
        }
    }

    /// For a free runner: a job, which leaves it free no more. `None` once the shutdown has begun.
    pub(crate) async fn next(&self) -> Option<Arc<HeldJob<L>>> {
        self.jobs.acquire().await.ok()?.forget();
        let mut state = self.state();
        if self.handle.is_shutting_down() {
            return None;
        }
        state.free -= 1;
        state.jobs.pop_front()
    }

    /// A runner is free again.
    pub(crate) fn free(&self) {
        self.state().free += 1;
    }

    /// A runner will ask for no more: another may take its place.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.runners -= 1;
        if state.want() {
            self.changed.notify_one();
        }
    }

    /// Sends the free runners home.
    pub(crate) fn dismiss(&self) {
        self.jobs.close();
    }

    /// All that has come and not been handed out, once there is something. `None` when nothing more
    /// will come. Not before the shutdown has begun. Cancel safe.
    pub(crate) async fn rest(&self) -> Option<Vec<Arc<HeldJob<L>>>> {
        loop {
            {
                let mut state = self.state();
                if !state.jobs.is_empty() {
                    return Some(state.jobs.drain(..).collect());
                }
                if state.complete {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

/// Where jobs come in. Nothing more will when it is dropped.
pub(crate) struct Feeder<L>(pub(crate) Arc<WaitingJobs<L>>);

impl<L> Feeder<L> {
    pub(crate) fn put(&self, jobs: Vec<Arc<HeldJob<L>>>) {
        let n = jobs.len();
        let mut state = self.0.state();
        state.jobs.extend(jobs);
        // From the beginning of the shutdown on somebody waits for what is to be given back.
        let tell = state.want() || self.0.handle.is_shutting_down();
        drop(state);
        self.0.jobs.add_permits(n);
        if tell {
            self.0.changed.notify_one();
        }
    }
}

impl<L> Drop for Feeder<L> {
    fn drop(&mut self) {
        self.0.state().complete = true;
        self.0.changed.notify_one();
    }
}
