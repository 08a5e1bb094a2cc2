//! The watchdog: a plain thread that ends the process before the grace is over.
//!
//! # What must hold
//!
//! 1. From the signal on, the process is gone at [`Budget::forced_at`](crate::budget::Budget)
//!    whatever hangs: every runtime thread, a closer, a lock, the disk. The thread waits for a
//!    clock and nothing else, takes no lock that other code holds while it runs, and allocates
//!    before it is needed.
//! 2. Once the lifecycle is over, the process leaves with the exit code that it has earned, even
//!    if a thread of the runtime's blocking pool never returns (`main` waits for those for ever:
//!    tokio#5338).

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::handle::Handle;
use crate::lastwords;
use crate::phase::Phase;

/// How long `main` may take to return after the lifecycle is over: 1 s.
pub(crate) const AFTERWARDS: Duration = Duration::from_secs(1);

/// How long before the end of the grace the process is gone at the latest: 200 ms.
const MARGIN: Duration = Duration::from_millis(200);

/// The lifecycle's side of the watchdog.
#[derive(Clone)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

struct Shared {
    over: Mutex<Option<(u8, Instant)>>,
    changed: Condvar,
}

impl Shared {
    fn over(&self) -> MutexGuard<'_, Option<(u8, Instant)>> {
        self.over.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Watchdog {
    /// Starts the thread. It does nothing until the shutdown has begun.
    pub(crate) fn start(handle: Handle) -> io::Result<Watchdog> {
        let watchdog = Watchdog {
            shared: Arc::new(Shared {
                over: Mutex::new(None),
                changed: Condvar::new(),
            }),
        };
        let shared = watchdog.shared.clone();
        thread::Builder::new()
            .name("lameduck-watchdog".into())
            .spawn(move || watch(&handle, &shared))?;
        Ok(watchdog)
    }

    /// The lifecycle is over and the process about to leave with `code`.
    pub(crate) fn over(&self, code: u8) {
        *self.shared.over() = Some((code, Instant::now()));
        self.shared.changed.notify_all();
    }
}

/// How often to see whether the shutdown has begun, at the least: the watchdog is not told, so
/// that whoever begins it never has to wait for a lock.
const LOOK: Duration = Duration::from_millis(250);

fn watch(handle: &Handle, shared: &Shared) {
    let mut over = shared.over();
    loop {
        let now = Instant::now();
        let wake_at = match *over {
            Some((code, since)) => {
                let leave_at = match handle.moment(handle.budget().grace()) {
                    Some(end) => {
                        (since + AFTERWARDS).min(end - MARGIN.min(handle.budget().grace() / 20))
                    }
                    None => since + AFTERWARDS,
                };
                if now >= leave_at {
                    eprintln_still_here(code);
                    lastwords::exit_now(code);
                }
                leave_at
            }
            None => match handle.moment(handle.budget().forced_at()) {
                Some(forced_at) if now >= forced_at => {
                    drop(over);
                    lastwords::end(handle, why(handle), 124);
                }
                Some(forced_at) => forced_at,
                None => now + LOOK.min(handle.budget().grace() / 20),
            },
        };
        over = shared
            .changed
            .wait_timeout(over, wake_at.saturating_duration_since(now))
            .unwrap_or_else(|e| e.into_inner())
            .0;
    }
}

fn why(handle: &Handle) -> &'static str {
    match handle.phase() {
        Phase::Starting => "start-up was still under way when the time was over",
        Phase::Ready => "the async runtime was blocked: the shutdown never began",
        _ => "still under way when the time was over",
    }
}

fn eprintln_still_here(code: u8) {
    let text = format!(
        "lameduck: {} s after the shutdown a blocking thread (tokio::task::spawn_blocking, or \
         something read from stdin) still keeps the process: ended it, exit {code}\n",
        AFTERWARDS.as_secs()
    );
    lastwords::say(&text);
}
