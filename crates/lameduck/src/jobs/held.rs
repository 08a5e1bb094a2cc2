//! The jobs that this process holds, from the moment they are taken until they are settled.
//!
//! # What must hold
//!
//! 1. Each held job is claimed once: by its own task when the handler has ended, by the keeper when
//!    the lease is lost, or by the worker when it is let go. Who claims it sees to the rest.
//! 2. A job is in the roster, so that its lease is kept, until its [`Held`] is removed by whoever
//!    claimed it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::task::AbortHandle;

use super::JOB;
use super::job::Job;
use crate::handle::Handle;
use crate::inflight::{Entry, Guard};

/// A job that this process holds.
pub(super) struct Held<L> {
    pub(super) job: Job,
    pub(super) lease: L,
    key: usize,
    claimed: AtomicBool,
    work: Mutex<Work>,
    ended: Notify,
    /// The room that it takes up.
    _room: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Work {
    /// While its handler runs.
    running: Option<AbortHandle>,
    /// Its line in the ledger, from its start until it is settled.
    guard: Option<Guard>,
}

impl<L> Held<L> {
    fn work(&self) -> MutexGuard<'_, Work> {
        // Both fields are set whole, so a poisoned lock hides nothing.
        self.work.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Takes it upon the caller to settle the job. False if somebody else has.
    pub(super) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    /// Enters it in the ledger.
    pub(super) fn begin(&self, handle: &Handle) {
        let name = format!("{} {}", self.job.queue(), self.job.id());
        self.work().guard = Some(handle.track(JOB, name));
    }

    /// Its handler runs now, and can be cancelled.
    pub(super) fn runs(&self, handler: AbortHandle) {
        let mut work = self.work();
        if self.claimed.load(Ordering::Acquire) {
            handler.abort();
        }
        work.running = Some(handler);
    }

    /// Cancels its handler. To be called by who has claimed it.
    pub(super) fn cancel(&self) {
        if let Some(running) = &self.work().running {
            running.abort();
        }
    }

    /// Its handler has ended.
    pub(super) fn ended(&self) {
        self.ended.notify_waiters();
    }

    /// Completes when its handler has ended. Cancel safe.
    pub(super) async fn over(&self) {
        let ended = self.ended.notified();
        if !self.is_over() {
            ended.await;
        }
    }

    /// Whether its handler has ended, or never begun.
    pub(super) fn is_over(&self) -> bool {
        let work = self.work();
        work.running.as_ref().is_none_or(AbortHandle::is_finished)
    }

    /// Its line in the ledger.
    pub(super) fn entry(&self) -> Option<Entry> {
        self.work().guard.as_ref().map(Guard::entry)
    }
}

/// All jobs that one worker holds.
pub(super) struct Roster<L> {
    held: Mutex<Slab<Arc<Held<L>>>>,
    emptied: Notify,
}

impl<L> Roster<L> {
    pub(super) fn new() -> Roster<L> {
        Roster {
            held: Mutex::new(Slab::new()),
            emptied: Notify::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Slab<Arc<Held<L>>>> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn add(&self, job: Job, lease: L, room: OwnedSemaphorePermit) -> Arc<Held<L>> {
        let mut held = self.held();
        let entry = held.vacant_entry();
        let it = Arc::new(Held {
            job,
            lease,
            key: entry.key(),
            claimed: AtomicBool::new(false),
            work: Mutex::default(),
            ended: Notify::new(),
            _room: room,
        });
        entry.insert(it.clone());
        it
    }

    /// The job is settled, or nothing more can be done about it.
    pub(super) fn remove(&self, it: &Held<L>) {
        let mut held = self.held();
        held.try_remove(it.key);
        if held.is_empty() {
            self.emptied.notify_waiters();
        }
        drop(held);
        it.work().guard = None;
    }

    /// Completes when no job is held. Cancel safe.
    pub(super) async fn empty(&self) {
        let emptied = self.emptied.notified();
        if !self.held().is_empty() {
            emptied.await;
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Held<L>>> {
        self.held().iter().map(|(_, it)| it.clone()).collect()
    }
}
