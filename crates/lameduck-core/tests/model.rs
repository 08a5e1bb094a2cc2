//! The ground floor under a model checker.
//!
//! `loom` runs each model in every order in which its threads could take turns (and with every
//! value an atomic could read), so a wake-up that is lost once in a million runs is lost here every
//! time, as a deadlock that fails the test. The files under test are the library's own, compiled a
//! second time with loom's atomics and locks in the place of `sync.rs`.
//!
//! Three things differ from the real thing. Loom treats sequentially consistent operations as
//! acquire and release; the code asks for no more than that. A thread's number is what a model says
//! it is, so that a model decides who shares a shard. And where a model's doc says so, only runs
//! with at most that many preemptions are tried, to keep the whole within seconds.

#![allow(
    dead_code,
    reason = "a model uses what it is about, and leaves the rest of the file"
)]

#[path = "../src/inflight/mod.rs"]
mod inflight;
#[path = "../src/base/latch.rs"]
mod latch;
#[path = "../src/shutdown/phase.rs"]
mod phase;
#[path = "../src/base/waiters.rs"]
mod waiters;

/// The ground that they stand on.
mod base {
    pub(crate) use crate::waiters;

    /// In the place of `src/base/sync.rs`.
    pub(crate) mod sync {
        use std::cell::Cell;

        pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
        pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

        loom::thread_local!(static NUMBER: Cell<usize> = Cell::new(0));

        pub(crate) fn thread_number() -> usize {
            NUMBER.with(Cell::get)
        }

        /// From now on this thread has this number.
        pub(crate) fn be_thread(number: usize) {
            NUMBER.with(|n| n.set(number));
        }
    }

    /// In the place of `src/base/clock.rs`.
    pub(crate) mod clock {
        use std::time::Duration;

        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct Millis(pub u64);

        impl Millis {
            pub fn now() -> Millis {
                Millis(0)
            }

            pub fn until(self, now: Millis) -> Duration {
                Duration::from_millis(now.0 - self.0)
            }
        }
    }
}

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use base::sync::be_thread;
use inflight::Ledger;
use latch::Latch;
use phase::{Driver, Phase};

/// Explores `model` with at most `preemptions`, or any number.
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// The waker of a thread that blocks on a future. Loom reports a deadlock if it is never used.
struct Wakeup(Notify);

impl Wakeup {
    fn new() -> std::sync::Arc<Wakeup> {
        std::sync::Arc::new(Wakeup(Notify::new()))
    }
}

impl Wake for Wakeup {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let wakeup = Wakeup::new();
    block_on_with(&wakeup, Box::pin(future))
}

/// Blocks with a wake-up that may have been enrolled already.
fn block_on_with<F: Future>(wakeup: &std::sync::Arc<Wakeup>, future: Pin<Box<F>>) -> F::Output {
    // When loom finds a deadlock it unwinds from here, and what waits must not be dropped: its
    // destructor would lock, panic again and bury the message.
    let mut future = ManuallyDrop::new(future);
    loop {
        match poll_once(wakeup, &mut future) {
            Poll::Ready(output) => {
                drop(ManuallyDrop::into_inner(future));
                return output;
            }
            Poll::Pending => wakeup.0.wait(),
        }
    }
}

fn poll_once<F: Future>(
    wakeup: &std::sync::Arc<Wakeup>,
    future: &mut Pin<Box<F>>,
) -> Poll<F::Output> {
    let waker = Waker::from(wakeup.clone());
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

/// One waiter gives up while another, which enrolled after it, stays until it is woken. Meanwhile
/// `waker_thread` wakes; once it is done, nothing may hold a waker any more.
fn one_gives_up_and_one_stays<T>(
    gives_up: impl Future,
    stays: impl Future,
    waker_thread: thread::JoinHandle<T>,
) {
    let (idle, wakeup) = (Wakeup::new(), Wakeup::new());
    let mut gives_up = ManuallyDrop::new(Box::pin(gives_up));
    let mut stays = ManuallyDrop::new(Box::pin(stays));
    let _ = poll_once(&idle, &mut gives_up);
    let first = poll_once(&wakeup, &mut stays);
    drop(ManuallyDrop::into_inner(gives_up));
    let stays = ManuallyDrop::into_inner(stays);
    if first.is_pending() {
        // Not polled again before it is woken: its place must have survived.
        wakeup.0.wait();
        block_on_with(&wakeup, stays);
    } else {
        drop(stays);
    }
    assert!(waker_thread.join().is_ok());
    for wakeup in [idle, wakeup] {
        let held = std::sync::Arc::strong_count(&wakeup) - 1;
        assert_eq!(held, 0, "a waker was left on the list");
    }
}

/// Two tasks wait for phases, one of which is skipped over before it may look; the driver moves
/// three times.
#[test]
fn a_waiter_for_a_phase_never_sleeps_through_a_change() {
    explore(Some(2), || {
        let driver = Driver::new();
        let (one, two) = (driver.phases(), driver.phases());
        let waiter = thread::spawn(move || {
            assert!(block_on(one.reached(Phase::Ready)) >= Phase::Ready);
        });
        let driver = thread::spawn(move || driver.ready().lame_duck().drain());
        assert_eq!(block_on(two.reached(Phase::Draining)), Phase::Draining);
        waiter.join().unwrap();
        let _driver = driver.join().unwrap();
    });
}

/// One observer looks, waits and looks again; another is told by the first and looks then.
#[test]
fn no_observer_sees_a_phase_come_back() {
    explore(None, || {
        let driver = Driver::new();
        let (one, two) = (driver.phases(), driver.phases());
        let driver = thread::spawn(move || driver.ready().lame_duck());
        let first = one.now();
        let waited = block_on(one.reached(Phase::Ready));
        let told = thread::spawn(move || two.now()).join().unwrap();
        let last = one.now();
        assert!(first <= waited && waited <= told && told <= last);
        let _driver = driver.join().unwrap();
    });
}

/// What the driver did before it moved the phase is seen by who sees the phase, without a lock and
/// without waiting.
#[test]
fn who_sees_a_phase_sees_what_led_to_it() {
    explore(None, || {
        let driver = Driver::new();
        let phases = driver.phases();
        let opened = loom::sync::Arc::new(AtomicBool::new(false));
        let opening = opened.clone();
        let driver = thread::spawn(move || {
            // Relaxed: it is the phase that must order it before the other's look.
            opening.store(true, Relaxed);
            driver.ready()
        });
        if phases.now() == Phase::Ready {
            assert!(opened.load(Relaxed), "ready, but what it needs is not");
        }
        let _driver = driver.join().unwrap();
    });
}

/// A waiter enrols and is dropped while the driver wakes everybody; another enrols in the meantime,
/// perhaps in the same place.
#[test]
fn a_waiter_that_gives_up_takes_nobody_elses_place() {
    explore(Some(4), || {
        let driver = Driver::new();
        let phases = driver.phases();
        let driver = thread::spawn(move || driver.ready().lame_duck());
        let (gives_up, stays) = (
            phases.reached(Phase::Ready),
            phases.reached(Phase::LameDuck),
        );
        one_gives_up_and_one_stays(gives_up, stays, driver);
    });
}

/// A task waits for a latch that two threads set; one of them is the first.
#[test]
fn who_waits_for_a_latch_is_woken_and_one_setter_is_the_first() {
    explore(Some(3), || {
        let latch = loom::sync::Arc::new(Latch::new());
        let set = |latch: &loom::sync::Arc<Latch>| {
            let latch = latch.clone();
            thread::spawn(move || latch.set())
        };
        let setters = [set(&latch), set(&latch)];
        block_on(latch.until_set());
        assert!(latch.is_set());
        let firsts = setters.map(|setter| setter.join().unwrap());
        assert_eq!(firsts.iter().filter(|first| **first).count(), 1);
    });
}

/// What was done before a latch was set is seen by who sees it set, without waiting.
#[test]
fn who_sees_a_latch_set_sees_what_led_to_it() {
    explore(None, || {
        let latch = loom::sync::Arc::new(Latch::new());
        let done = loom::sync::Arc::new(AtomicBool::new(false));
        let (setting, doing) = (latch.clone(), done.clone());
        let setter = thread::spawn(move || {
            // Relaxed: it is the latch that must order it before the other's look.
            doing.store(true, Relaxed);
            setting.set();
        });
        if latch.is_set() {
            assert!(done.load(Relaxed), "set, but what led to it is not done");
        }
        setter.join().unwrap();
    });
}

/// A waiter for a latch gives up while it is set; another still waits.
#[test]
fn a_waiter_for_a_latch_that_gives_up_leaves_the_other_in_place() {
    explore(Some(4), || {
        let latch: &'static Latch = Box::leak(Box::new(Latch::new()));
        let setter = thread::spawn(move || latch.set());
        one_gives_up_and_one_stays(latch.until_set(), latch.until_set(), setter);
    });
}

/// A token and a guard, begun in different shards, end on two threads at once.
#[test]
fn who_waits_for_empty_is_woken_after_the_last_end() {
    explore(Some(3), || {
        let ledger = Ledger::with_shards(2);
        let token = ledger.track_unnamed();
        be_thread(1);
        let guard = ledger.track("job", "receipt");
        let enders = [
            thread::spawn(move || drop(token)),
            thread::spawn(move || drop(guard)),
        ];
        block_on(ledger.empty());
        assert!(ledger.is_empty());
        for ender in enders {
            ender.join().unwrap();
        }
    });
}

/// As before, in one shard and one after the other: the first end takes the mark off, and the
/// second must find it again if the waiter looked in between.
#[test]
fn a_mark_that_is_taken_off_wakes_who_set_it() {
    for (first_named, second_named) in [(false, false), (true, true), (false, true)] {
        explore(Some(4), move || {
            let ledger = Ledger::with_shards(1);
            let begin = |named: bool| -> Box<dyn Send> {
                if named {
                    Box::new(ledger.track("job", "receipt"))
                } else {
                    Box::new(ledger.track_unnamed())
                }
            };
            let (first, second) = (begin(first_named), begin(second_named));
            let ender = thread::spawn(move || {
                drop(first);
                drop(second);
            });
            block_on(ledger.empty());
            ender.join().unwrap();
        });
    }
}

/// Two tasks wait for empty; the mark of one may be taken off just as the other has set it.
#[test]
fn everybody_who_waits_for_empty_is_woken() {
    explore(Some(2), || {
        let ledger = Ledger::with_shards(1);
        let (token, guard) = (ledger.track_unnamed(), ledger.track("job", "receipt"));
        let other = ledger.clone();
        let waiter = thread::spawn(move || block_on(other.empty()));
        let ender = thread::spawn(move || {
            drop(guard);
            drop(token);
        });
        block_on(ledger.empty());
        waiter.join().unwrap();
        ender.join().unwrap();
    });
}

/// Work hands over twice, to a successor in another shard and back, while somebody looks. The last
/// successor is still there when the look is over.
#[test]
fn a_hand_over_never_looks_like_nothing() {
    // How predecessor, successor and its successor are entered: by name or only counted.
    for named in [
        [false, false, false],
        [true, true, true],
        [false, true, false],
        [true, false, true],
    ] {
        explore(None, move || {
            let ledger = Ledger::with_shards(2);
            let begin = |ledger: &Ledger, named: bool| -> Box<dyn Send> {
                if named {
                    Box::new(ledger.track("job", "step"))
                } else {
                    Box::new(ledger.track_unnamed())
                }
            };
            let first = begin(&ledger, named[0]);
            let working = ledger.clone();
            let worker = thread::spawn(move || {
                be_thread(1);
                let second = begin(&working, named[1]);
                drop(first);
                be_thread(0);
                let third = begin(&working, named[2]);
                drop(second);
                third
            });
            assert!(!ledger.is_empty(), "empty in the middle of a hand-over");
            drop(worker.join().unwrap());
            assert!(ledger.is_empty());
        });
    }
}

/// The waiter's answer is not early: the successor's work is done when `empty` completes, though
/// its predecessor ended long before.
#[test]
fn empty_waits_for_the_successor() {
    explore(Some(4), || {
        let ledger = Ledger::with_shards(2);
        let done = loom::sync::Arc::new(AtomicBool::new(false));
        let first = ledger.track_unnamed();
        let (working, finished) = (ledger.clone(), done.clone());
        let worker = thread::spawn(move || {
            be_thread(1);
            let second = working.track("job", "successor");
            drop(first);
            // Relaxed: it is the ledger that must order it before the waiter's look.
            finished.store(true, Relaxed);
            drop(second);
        });
        block_on(ledger.empty());
        assert!(done.load(Relaxed), "empty came before the work was done");
        worker.join().unwrap();
    });
}

/// A waiter for empty is dropped while an end wakes it; another still waits.
#[test]
fn a_waiter_for_empty_that_gives_up_leaves_the_other_in_place() {
    explore(Some(4), || {
        let ledger = Ledger::with_shards(1);
        let (first, second) = (ledger.track_unnamed(), ledger.track_unnamed());
        let ender = thread::spawn(move || {
            drop(first);
            drop(second);
        });
        one_gives_up_and_one_stays(ledger.empty(), ledger.empty(), ender);
    });
}
