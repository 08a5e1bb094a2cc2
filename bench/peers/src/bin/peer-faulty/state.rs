//! What the threads share: the chosen fault, the signals, and what is in flight.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

/// What a server that looks at its clock each 100 ms takes to notice, at the worst.
const TICK: Duration = Duration::from_millis(100);

/// What to do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Nothing.
    None,
    /// Answers requests with a reset once signalled.
    Resets,
    /// Answers requests with a plain close once signalled.
    Closes,
    /// Sends half of each response once signalled.
    Cuts,
    /// Answers 503 once signalled.
    Errors,
    /// Answers 404 once signalled, as when routes are torn down.
    NotFound,
    /// Answers 401 once signalled, as when sessions are torn down.
    Unauthorized,
    /// Answers 400 once signalled.
    BadRequest,
    /// Answers 200 without a body once signalled.
    Empty,
    /// Answers 302 once signalled.
    Redirects,
    /// Answers 429 once signalled.
    TooMany,
    /// Ends bodies without a length early once signalled.
    ShortBodies,
    /// Answers uploads when half of them has come, once signalled.
    ShortUploads,
    /// Answers 500, signalled or not.
    AlwaysErrors,
    /// Keeps its listener and accepts nobody for a few seconds, once signalled.
    StopsAccepting,
    /// The same, with room for two in its queue.
    FullQueue,
    /// Closes its listener while connections are queued there that it has not accepted.
    DropsQueue,
    /// Accepts, and resets at once, once signalled.
    ResetsAccepted,
    /// Accepts nobody from the signal on, and refuses as soon as its queue is empty.
    RefusesAtOnce,
    /// Takes 800 ms more for each answer, once signalled.
    Slows,
    /// Says that it closes, does not, and resets what is open at its end.
    ResetsAtExit,
    /// Stays ready for 400 ms, in which it refuses.
    FlipsLate,
    /// Stays ready.
    StaysReady,
    /// Is no longer alive once signalled.
    NotAlive,
    /// Says nothing of closing.
    Unannounced,
    /// Closes idle connections as soon as readiness was seen to fail.
    ClosesIdle,
    /// Waits for idle connections for ever.
    Hostage,
    /// Closes connections whose request body is still arriving.
    DropsUploads,
    /// Exits with 3.
    ExitThree,
    /// Does not react to the signal.
    Deaf,
    /// Leaves the signal to the kernel, which ends it on the spot.
    Dies,
    /// Lets go of what is stuck without a word, and exits with 0.
    StuckUntold,
    /// A further signal changes nothing.
    OneSignal,
    /// A signal during start-up is an error.
    StartUpFails,
    /// Acknowledges orders without entering them, once signalled.
    LosesOrders,
    /// Once signalled, of two orders acknowledges one without entering it, and enters the other without an answer.
    SwapsOrders,
    /// Forgets the jobs that wait, at its end.
    DropsJobs,
    /// Ends in the middle of a job, and nobody takes that up again.
    HoldsJob,
    /// Begins with empty books.
    Forgets,
    /// Ends connections on which nothing had come at the signal when their request has.
    DropsSilent,
    /// Ends connections on which half of a head had come at the signal when the rest has.
    DropsHalfHeads,
    /// Ends connections that were between two requests at the signal when the next one has come.
    DropsKept,
    /// Ends connections of whose request no more than the head had come at the signal when the body has.
    DropsHeads,
    /// Throws away what a client has not read at the signal.
    DropsUnread,
    /// Answers 503 to requests that come once signalled; those in flight are answered.
    TurnsAway,
    /// Looks for idle connections 5 s after the signal, and not before. No fault.
    LateIdle,
    /// Looks each 100 ms whether it was signalled. No fault.
    Ticks,
    /// Ends by the signal, once it has drained.
    ExitSignal,
    /// Lets go of what is stuck, says so, and exits with 0.
    StuckZero,
    /// Lets go of what is stuck, exits with 124, and does not say what it was.
    StuckUnnamed,
    /// Leaves a process behind.
    Orphan,
    /// Ends without a goodbye to its database.
    LeavesSession,
    /// Ends in the middle of a transaction.
    CutsTransaction,
}

pub struct State {
    pub fault: Fault,
    signalled: OnceLock<Instant>,
    /// Connections accepted so far.
    pub accepted: AtomicUsize,
    /// Connections open now.
    pub open: AtomicUsize,
    /// Connections that are answered and not closed.
    pub withheld: AtomicUsize,
    /// Somebody has been told that it is not ready any more.
    pub is_known: AtomicBool,
    /// Nothing is answered any more.
    pub cut_off: AtomicBool,
    turns: AtomicUsize,
    in_flight: Mutex<Vec<String>>,
}

impl State {
    pub fn start(fault: Fault) -> io::Result<&'static Self> {
        let state: &'static Self = Box::leak(Box::new(Self {
            fault,
            signalled: OnceLock::new(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            withheld: AtomicUsize::new(0),
            is_known: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            turns: AtomicUsize::new(0),
            in_flight: Mutex::default(),
        }));
        if fault == Fault::Dies {
            return Ok(state);
        }
        let mut signals = Signals::new([SIGTERM])?;
        std::thread::spawn(move || {
            for (count, signal) in signals.forever().enumerate() {
                if fault == Fault::Ticks {
                    std::thread::sleep(TICK);
                }
                if fault != Fault::Deaf {
                    state.signalled.get_or_init(Instant::now);
                }
                if count == 2 && !matches!(fault, Fault::OneSignal | Fault::Deaf) {
                    std::process::exit(128 + signal);
                }
            }
        });
        Ok(state)
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping_for().is_some()
    }

    /// Since when, if it is.
    pub fn stopping_for(&self) -> Option<Duration> {
        self.signalled.get().map(Instant::elapsed)
    }

    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// Stopping, and wrong in this way.
    pub fn errs(&self, fault: Fault) -> bool {
        self.fault == fault && self.is_stopping()
    }

    /// True every second time.
    pub fn is_turn(&self) -> bool {
        self.turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
    }

    pub fn begin(&self, path: &str) {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(path.to_owned());
    }

    pub fn end(&self, path: &str) {
        let mut in_flight = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = in_flight.iter().position(|held| held == path) {
            in_flight.swap_remove(index);
        }
    }

    pub fn in_flight(&self) -> Vec<String> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
