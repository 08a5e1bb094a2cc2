//! The jobs that this process holds, from the moment they are taken until they are settled.
//!
//! # What must hold
//!
//! 1. Each held job is claimed once: by its runner when the handler has ended, by the lease_renewer when
//!    the lease is lost, or by the worker when it is let go. Who claims it sees to the rest.
//! 2. A job is in [`HeldJobs`], so that its lease is kept, until its [`HeldJob`] is removed by whoever
//!    claimed it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::lease_clock::{LeaseClock, LeaseInstant};
use crate::handler::job::Job;
use lameduck_core::Handle;
use lameduck_core::inflight::kind::JOB;
use lameduck_core::inflight::{Entry, Guard};
use lameduck_core::internal::Latch;

/// A job that this process holds.
pub(crate) struct HeldJob<L> {
    pub(crate) job: Job,
    pub(crate) lease: L,
    pub(crate) clock: LeaseClock,
    key: usize,
    claimed: AtomicBool,
    ended: Latch,
    /// Its queue has handed out the same job again.
    again: AtomicBool,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    started: bool,
    /// Wakes who runs its handler, once that waits for something.
    waker: Option<Waker>,
    /// The room that it takes up, until its handler has ended.
    room: Option<OwnedSemaphorePermit>,
    /// Its line in the ledger, from its start until it is settled.
    guard: Option<Guard>,
}

impl<L> HeldJob<L> {
    fn work(&self) -> MutexGuard<'_, Work> {
        // Each field is set whole, so a poisoned lock hides nothing.
        self.work.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether its queue may still be told that it goes back: nobody else can have it yet.
    pub(crate) fn is_ours(&self) -> bool {
        !self.is_superseded() && !self.clock.is_over()
    }

    /// Whether its queue has handed out the same job again.
    pub(crate) fn is_superseded(&self) -> bool {
        self.again.load(Ordering::Acquire)
    }

    /// Its queue has handed out the same job again.
    pub(crate) fn supersede(&self) {
        self.again.store(true, Ordering::Release);
    }

    /// Takes it upon the caller to settle the job. False if somebody else has.
    pub(crate) fn claim(&self) -> bool {
        !self.claimed.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::Acquire)
    }

    /// Enters it in the ledger: its handler is about to run. False, and it must not, if somebody has
    /// claimed it already or its lease is over.
    pub(crate) fn start(&self, handle: &Handle) -> bool {
        let mut work = self.work();
        // Under the lock, so that who claims it later finds it started.
        if self.is_claimed() || self.clock.is_over() {
            return false;
        }
        work.started = true;
        work.guard = Some(handle.track(JOB, self.job.name()));
        true
    }

    /// Has `waker` woken when somebody else claims it. False if somebody has.
    pub(crate) fn wakes_when_claimed(&self, waker: &Waker) -> bool {
        match &mut self.work().waker {
            Some(same) => same.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        !self.is_claimed()
    }

    /// Makes room for another: its handler has ended, and only its queue is to be told.
    pub(crate) fn leave_room(&self) {
        self.work().room = None;
    }

    /// Has its handler notice that somebody else has claimed it. To be called by who has.
    pub(crate) fn cancel(&self) {
        let waker = self.work().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Its handler has ended.
    pub(crate) fn end(&self) {
        self.ended.set();
    }

    /// Completes when its handler has ended. Cancel safe.
    pub(crate) async fn over(&self) {
        if !self.is_over() {
            self.ended.until_set().await;
        }
    }

    /// Whether its handler has ended, or was never started.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_set() || !self.work().started
    }

    /// Its line in the ledger.
    pub(crate) fn entry(&self) -> Option<Entry> {
        self.work().guard.as_ref().map(Guard::entry)
    }
}

/// All jobs that one worker holds.
pub(crate) struct HeldJobs<L> {
    held: Mutex<Slab<Arc<HeldJob<L>>>>,
    emptied: Notify,
}

impl<L> HeldJobs<L> {
    pub(crate) fn new() -> HeldJobs<L> {
        HeldJobs {
            held: Mutex::new(Slab::new()),
            emptied: Notify::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Slab<Arc<HeldJob<L>>>> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn add(
        &self,
        job: Job,
        lease: L,
        clock: LeaseClock,
        room: OwnedSemaphorePermit,
    ) -> Arc<HeldJob<L>> {
        let mut held = self.held();
        let entry = held.vacant_entry();
        let it = Arc::new(HeldJob {
            job,
            lease,
            clock,
            key: entry.key(),
            claimed: AtomicBool::new(false),
            ended: Latch::new(),
            again: AtomicBool::new(false),
            work: Mutex::new(Work {
                room: Some(room),
                ..Work::default()
            }),
        });
        entry.insert(it.clone());
        it
    }

    /// The job is settled, or nothing more can be done about it.
    pub(crate) fn remove(&self, it: &HeldJob<L>) {
        let mut held = self.held();
        held.try_remove(it.key);
        if held.is_empty() {
            self.emptied.notify_waiters();
        }
        drop(held);
        let mut work = it.work();
        (work.guard, work.room) = (None, None);
    }

    /// Completes when no job is held. Cancel safe.
    pub(crate) async fn empty(&self) {
        let emptied = self.emptied.notified();
        if !self.held().is_empty() {
            emptied.await;
        }
    }

    /// How long it is until the next lease ends. `None` if no lease runs.
    pub(crate) fn next_end(&self, now: LeaseInstant) -> Option<Duration> {
        let held = self.held();
        held.iter().filter_map(|(_, it)| it.clock.left(now)).min()
    }

    /// All but `it` whose leases are `like`.
    pub(crate) fn others(
        &self,
        it: &Arc<HeldJob<L>>,
        like: impl Fn(&L) -> bool,
    ) -> Vec<Arc<HeldJob<L>>> {
        let held = self.held();
        let others = held.iter().map(|(_, other)| other);
        let others = others.filter(|other| !Arc::ptr_eq(other, it) && like(&other.lease));
        others.cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<Arc<HeldJob<L>>> {
        self.held().iter().map(|(_, it)| it.clone()).collect()
    }
}
