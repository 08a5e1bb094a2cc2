//! The phases of a process, and everybody who waits for one.
//!
//! # What must hold
//!
//! 1. A phase never comes back: every observer sees a non-decreasing sequence.
//! 2. Only the holder of a [`Driver`] moves the phase, and each driver can only move to the phases
//!    that may follow its own: a wrong step does not compile.
//! 3. Nobody sleeps through a change: a waiter, task or thread, that asks for a phase returns once
//!    that phase *or a later one* is reached.
//! 4. Who sees a phase sees everything the driver's thread did before it moved there.
//!
//! Number 3 holds because a waiter looks at the phase again *after* it has enrolled, and the driver
//! wakes everybody *after* it has stored the new phase (`waiters.rs`).
//!
//! `tests/model.rs` runs this file under a model checker.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::base::sync::{Arc, AtomicU8, Ordering};
use crate::base::waiters::{WaiterPlace, Waiters};

/// Where a process stands between its start and its end. Phases only move forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Phase {
    /// Not yet able to serve: liveness is good, readiness is not.
    Starting = 0,
    /// Serving: liveness and readiness are good.
    Ready = 1,
    /// Still serving, but everybody has been told to go elsewhere: readiness fails, job intake
    /// has stopped, responses say `Connection: close`.
    LameDuck = 2,
    /// Taking nothing new; what is in flight finishes.
    Draining = 3,
    /// Nothing is in flight: pools and clients are closed, telemetry is flushed.
    Closing = 4,
    /// All done; the process is about to end.
    Stopped = 5,
}

impl Phase {
    /// All of them, in their order.
    pub(crate) const ALL: [Phase; 6] = [
        Phase::Starting,
        Phase::Ready,
        Phase::LameDuck,
        Phase::Draining,
        Phase::Closing,
        Phase::Stopped,
    ];

    /// The name used in reports, metrics and on the status page, for example `lame-duck`.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Ready => "ready",
            Phase::LameDuck => "lame-duck",
            Phase::Draining => "draining",
            Phase::Closing => "closing",
            Phase::Stopped => "stopped",
        }
    }

    /// The one that comes after it; `None` after [`Stopped`](Phase::Stopped).
    pub fn next(self) -> Option<Phase> {
        Phase::ALL.get(self as usize + 1).copied()
    }

    fn from_u8(n: u8) -> Phase {
        match n {
            0 => Phase::Starting,
            1 => Phase::Ready,
            2 => Phase::LameDuck,
            3 => Phase::Draining,
            4 => Phase::Closing,
            _ => Phase::Stopped,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

struct SharedPhase {
    now: AtomicU8,
    waiters: Waiters,
}

impl SharedPhase {
    fn now(&self) -> Phase {
        Phase::from_u8(self.now.load(Ordering::Acquire))
    }

    fn advance(&self, to: Phase) {
        self.now.store(to as u8, Ordering::Release);
        self.waiters.wake_all();
    }
}

/// Looks at the phase and waits for one. Cheap to clone; any number of tasks and threads may hold
/// one.
#[derive(Clone)]
pub struct Phases {
    shared: Arc<SharedPhase>,
}

impl Phases {
    /// The phase now.
    pub fn now(&self) -> Phase {
        self.shared.now()
    }

    /// Completes once `phase` or a later one is reached; at once if it already is.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future takes it off the list of waiters and loses nothing.
    pub fn reached(&self, phase: Phase) -> Reached {
        Reached {
            shared: self.shared.clone(),
            phase,
            place: None,
        }
    }

    /// Blocks the calling thread until `phase` or a later one is reached, or `timeout` has passed.
    /// Returns the phase at that moment. Not for async tasks: use [`reached`](Phases::reached).
    pub fn wait(&self, phase: Phase, timeout: Duration) -> Phase {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.unpark();
            }
        }

        let began = Instant::now();
        let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
        let mut reached = pin!(self.reached(phase));
        loop {
            match reached.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(now) => return now,
                Poll::Pending => match timeout.checked_sub(began.elapsed()) {
                    Some(left) if !left.is_zero() => thread::park_timeout(left),
                    _ => return self.now(),
                },
            }
        }
    }
}

impl fmt::Debug for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Phases").field(&self.now()).finish()
    }
}

/// Waits for a phase; made by [`Phases::reached`]. Resolves to the phase then in force, which may
/// be a later one.
#[must_use = "a phase is only waited for when this is awaited"]
pub struct Reached {
    shared: Arc<SharedPhase>,
    phase: Phase,
    place: Option<WaiterPlace>,
}

impl Future for Reached {
    type Output = Phase;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Phase> {
        let this = &mut *self;
        let now = this.shared.now();
        if now >= this.phase {
            return Poll::Ready(now);
        }
        this.shared.waiters.enrol(&mut this.place, cx.waker());
        let now = this.shared.now();
        if now >= this.phase {
            return Poll::Ready(now);
        }
        Poll::Pending
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        self.shared.waiters.leave(&mut self.place);
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reached")
            .field("phase", &self.phase)
            .finish()
    }
}

/// The only thing that moves the phase. There is one per [`Phases`], and its type says where the
/// process stands, so that a step backwards or past a phase that must not be missed cannot be
/// written. Purposefully not `Clone`: two drivers could disagree.
#[must_use = "dropping the driver freezes the phase for ever"]
pub struct Driver<P> {
    shared: Arc<SharedPhase>,
    at: PhantomData<P>,
}

/// The types of [`Driver`], one for each phase.
pub mod at {
    /// Type of the driver in [`Phase::Starting`](super::Phase::Starting).
    #[derive(Debug)]
    pub enum StartingPhase {}
    /// Type of the driver in [`Phase::Ready`](super::Phase::Ready).
    #[derive(Debug)]
    pub enum ReadyPhase {}
    /// Type of the driver in [`Phase::LameDuck`](super::Phase::LameDuck).
    #[derive(Debug)]
    pub enum LameDuckPhase {}
    /// Type of the driver in [`Phase::Draining`](super::Phase::Draining).
    #[derive(Debug)]
    pub enum DrainingPhase {}
    /// Type of the driver in [`Phase::Closing`](super::Phase::Closing).
    #[derive(Debug)]
    pub enum ClosingPhase {}
}

impl<P> Driver<P> {
    fn to<Q>(self, phase: Phase) -> Driver<Q> {
        self.shared.advance(phase);
        Driver {
            shared: self.shared,
            at: PhantomData,
        }
    }

    /// Something to watch the phase with.
    pub fn phases(&self) -> Phases {
        Phases {
            shared: self.shared.clone(),
        }
    }
}

impl<P> fmt::Debug for Driver<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driver").field(&self.shared.now()).finish()
    }
}

impl Driver<at::StartingPhase> {
    /// A new process, in [`Phase::Starting`].
    pub fn new() -> Self {
        Driver {
            shared: Arc::new(SharedPhase {
                now: AtomicU8::new(Phase::Starting as u8),
                waiters: Waiters::new(),
            }),
            at: PhantomData,
        }
    }

    /// Start-up is over; the process serves.
    pub fn ready(self) -> Driver<at::ReadyPhase> {
        self.to(Phase::Ready)
    }

    /// A signal came before the process was ready: nothing to announce, straight to the drain.
    pub fn drain(self) -> Driver<at::DrainingPhase> {
        self.to(Phase::Draining)
    }
}

impl Default for Driver<at::StartingPhase> {
    fn default() -> Self {
        Driver::new()
    }
}

impl Driver<at::ReadyPhase> {
    /// The shutdown begins: still serving, but readiness fails.
    pub fn lame_duck(self) -> Driver<at::LameDuckPhase> {
        self.to(Phase::LameDuck)
    }
}

impl Driver<at::LameDuckPhase> {
    /// Traffic has moved away, or had its time to.
    pub fn drain(self) -> Driver<at::DrainingPhase> {
        self.to(Phase::Draining)
    }
}

impl Driver<at::DrainingPhase> {
    /// What was in flight has ended or was let go.
    pub fn close(self) -> Driver<at::ClosingPhase> {
        self.to(Phase::Closing)
    }
}

impl Driver<at::ClosingPhase> {
    /// Everything is closed. The last step; the driver is used up.
    pub fn stop(self) {
        self.shared.advance(Phase::Stopped);
    }
}
