//! When the process ends by force, why, and with which code: one word that two threads watch, the watchdog, which
//! ends it, and the scribe, which says before that what is stuck.
//!
//! # What must hold
//!
//! 1. Looking at the plan, waiting for its time and ending the process take no lock, allocate nothing and start
//!    nothing.
//! 2. A plan whose time has come stays: the process ends by it.
//! 3. The process is gone [`patience`](PlannedEnd::patience) after the plan's time has come, or as soon as all has been
//!    said.
//! 4. No end by force has the code 0.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Why the end is forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The grace is about to be over.
    Deadline,
    /// A signal that is one too many.
    Signal,
    /// The lifecycle is over, and something keeps the process.
    StillThere,
}

/// What is going to happen unless it is planned otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedEnd {
    /// When, in milliseconds since the beginning.
    at: u64,
    /// How long may be spoken, in milliseconds.
    patience: u16,
    pub cause: Cause,
    /// The exit code.
    pub code: u8,
}

/// The exit code of an end by force where the report says 0.
const FORCED: u8 = 124;

impl PlannedEnd {
    const NONE: u64 = 0;

    /// One word: 44 bits, 10, 2, 8.
    fn pack(self) -> u64 {
        let cause = match self.cause {
            Cause::Deadline => 1,
            Cause::Signal => 2,
            Cause::StillThere => 3,
        };
        self.at << 20 | u64::from(self.patience) << 10 | cause << 8 | u64::from(self.code)
    }

    fn unpack(word: u64) -> Option<PlannedEnd> {
        let cause = match word >> 8 & 3 {
            1 => Cause::Deadline,
            2 => Cause::Signal,
            3 => Cause::StillThere,
            _ => return None,
        };
        Some(PlannedEnd {
            at: word >> 20,
            patience: (word >> 10 & 0x3ff) as u16,
            cause,
            code: (word & 0xff) as u8,
        })
    }

    /// The most that may be spoken.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_millis(self.patience.into())
    }
}

/// The plan for the end of the process.
pub(crate) struct ForcedEnd {
    beginning: Instant,
    plan: AtomicU64,
    said: AtomicBool,
    /// Those who wait for it.
    sleepers: OnceLock<[Thread; 2]>,
}

impl ForcedEnd {
    pub(crate) fn new() -> ForcedEnd {
        ForcedEnd {
            beginning: Instant::now(),
            plan: AtomicU64::new(PlannedEnd::NONE),
            said: AtomicBool::new(false),
            sleepers: OnceLock::new(),
        }
    }

    /// Whom a new plan wakes.
    pub(crate) fn wakes(&self, watchdog: Thread, scribe: Thread) {
        let _ = self.sleepers.set([watchdog, scribe]);
        self.wake();
    }

    fn wake(&self) {
        for it in self.sleepers.get().into_iter().flatten() {
            it.unpark();
        }
    }

    /// Milliseconds since the beginning.
    fn now(&self) -> u64 {
        self.beginning.elapsed().as_millis() as u64
    }

    /// Plans the end, unless the time of another plan has come; whether it does.
    pub(crate) fn plan(
        &self,
        from_now: Duration,
        patience: Duration,
        cause: Cause,
        code: u8,
    ) -> bool {
        let now = self.now();
        let plan = PlannedEnd {
            at: now
                .saturating_add(from_now.as_millis() as u64)
                .min((1 << 44) - 1),
            patience: patience.as_millis().min(0x3ff) as u16,
            cause,
            code: if code == 0 { FORCED } else { code },
        };
        self.replace(now, plan.pack())
    }

    /// There is nothing to force any more, unless the time of the plan has come.
    pub(crate) fn leave_alone(&self) {
        self.replace(self.now(), PlannedEnd::NONE);
    }

    fn replace(&self, now: u64, new: u64) -> bool {
        let stays = |word| PlannedEnd::unpack(word).is_some_and(|it| it.at <= now);
        let done = self
            .plan
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                (!stays(word)).then_some(new)
            });
        self.wake();
        done.is_ok()
    }

    fn planned(&self) -> Option<PlannedEnd> {
        PlannedEnd::unpack(self.plan.load(Ordering::Acquire))
    }

    /// The plan, if its time has come.
    pub(crate) fn has_come(&self) -> Option<PlannedEnd> {
        self.planned().filter(|it| it.at <= self.now())
    }

    /// Sleeps until the time of a plan has come.
    pub(crate) fn until_it_has_come(&self) -> PlannedEnd {
        loop {
            let now = self.now();
            match self.planned() {
                Some(plan) if plan.at <= now => return plan,
                Some(plan) => thread::park_timeout(Duration::from_millis(plan.at - now)),
                None => thread::park(),
            }
        }
    }

    /// All has been said that is to be.
    pub(crate) fn said(&self) {
        self.said.store(true, Ordering::Release);
        self.wake();
    }

    /// Sleeps until the process is to be gone; its exit code.
    pub(crate) fn until_the_end(&self) -> u8 {
        let plan = self.until_it_has_come();
        // Not from the plan's time: after a stop (SIGSTOP) or a long wait for a processor, that may be long ago.
        let end = self.now() + u64::from(plan.patience);
        loop {
            let now = self.now();
            if self.said.load(Ordering::Acquire) || now >= end {
                return plan.code;
            }
            thread::park_timeout(Duration::from_millis(end - now));
        }
    }

    /// Waits for the end of the process if its time has come: who returned could say something else of it.
    pub(crate) fn wait_if_it_has_come(&self) {
        while self.has_come().is_some() && self.sleepers.get().is_some() {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(3600);
    const ZERO: Duration = Duration::ZERO;

    #[test]
    fn a_plan_is_one_word_and_comes_out_of_it_as_it_went_in() {
        for cause in [Cause::Deadline, Cause::Signal, Cause::StillThere] {
            let plan = PlannedEnd {
                at: (1 << 44) - 1,
                patience: 300,
                cause,
                code: 143,
            };
            assert_eq!(PlannedEnd::unpack(plan.pack()), Some(plan));
        }
        assert_eq!(PlannedEnd::unpack(PlannedEnd::NONE), None);
    }

    #[test]
    fn what_is_planned_may_be_planned_anew_until_its_time_has_come() {
        let ending = ForcedEnd::new();
        assert!(ending.plan(SOON, ZERO, Cause::Deadline, 124));
        assert_eq!(ending.has_come(), None);
        assert!(ending.plan(ZERO, ZERO, Cause::Signal, 143));
        assert!(!ending.plan(SOON, ZERO, Cause::StillThere, 1));
        ending.leave_alone();
        let plan = ending.has_come().unwrap();
        assert_eq!((plan.cause, plan.code), (Cause::Signal, 143));
        assert_eq!(ending.until_the_end(), 143);
    }

    #[test]
    fn nothing_comes_of_what_is_left_alone() {
        let ending = ForcedEnd::new();
        assert!(ending.plan(SOON, ZERO, Cause::StillThere, 0));
        ending.leave_alone();
        assert_eq!(ending.planned(), None);
    }

    #[test]
    fn no_end_by_force_has_the_code_zero() {
        let ending = ForcedEnd::new();
        ending.plan(ZERO, ZERO, Cause::StillThere, 0);
        assert_eq!(ending.until_the_end(), 124);
    }

    #[test]
    fn the_end_is_as_soon_as_all_has_been_said() {
        let ending = std::sync::Arc::new(ForcedEnd::new());
        ending.plan(ZERO, Duration::from_millis(1000), Cause::Deadline, 124);
        let began = Instant::now();
        ending.said();
        assert_eq!(ending.until_the_end(), 124);
        assert!(began.elapsed() < Duration::from_millis(900));
    }
}
