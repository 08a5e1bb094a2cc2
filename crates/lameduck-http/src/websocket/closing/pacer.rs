//! The list of all sockets of the process, and the one task that gives each its turn to go.
//!
//! # What must hold
//!
//! 1. Every socket that is on the list when the drain begins, or comes onto it later, gets its turn,
//!    once.
//! 2. Those that asked to be last get it when all others have gone, or have had the time to.
//! 3. While there is a socket there is a pacer; and there is one at most.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::close_plan::ClosePlan;
use crate::websocket::settings::WebSockets;
use lameduck_core::Handle;
use lameduck_core::internal::Latch;
use lameduck_core::internal::jitter::random;

/// One socket's turn to go.
pub(in crate::websocket) struct Turn {
    last: bool,
    come: Latch,
    /// Whether the application waits for it, and so has something to say first.
    awaited: AtomicBool,
}

impl Turn {
    fn new(last: bool) -> Turn {
        Turn {
            last,
            come: Latch::new(),
            awaited: AtomicBool::new(false),
        }
    }

    pub(in crate::websocket) fn has_come(&self) -> bool {
        self.come.is_set()
    }

    /// Completes when the socket shall go. Cancel safe.
    pub(in crate::websocket) async fn comes(&self) {
        self.come.until_set().await;
    }

    pub(in crate::websocket) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    pub(in crate::websocket) fn await_it(&self) {
        self.awaited.store(true, Ordering::Release);
    }

    fn give(&self) {
        self.come.set();
    }
}

/// All sockets of a process.
#[derive(Default)]
pub(in crate::websocket) struct ProcessSockets {
    list: Mutex<SocketList>,
    /// Told when the list has changed.
    changed: Notify,
}

#[derive(Default)]
struct SocketList {
    entries: Slab<PacedSocket>,
    /// How many are in no plan yet: those that go early, and those that go last.
    unplanned: [usize; 2],
    /// Whether there is a pacer.
    paced: bool,
    settings: Arc<WebSockets>,
}

struct PacedSocket {
    turn: Arc<Turn>,
    planned: bool,
}

/// One that is no duration has been refused when the lifecycle was made.
fn window_of_the_environment(handle: &Handle) -> Option<Duration> {
    if !handle.reads_environment() {
        return None;
    }
    let value = std::env::var("LAMEDUCK_WEBSOCKET_WINDOW").ok()?;
    humantime::parse_duration(value.trim()).ok()
}

/// Who goes next.
enum Next {
    These(Vec<Arc<Turn>>),
    /// Those that come last, once the others have gone.
    OthersFirst,
    Nobody,
}

/// The sockets of this shutdown.
pub(in crate::websocket) fn sockets_of(handle: &Handle) -> Arc<ProcessSockets> {
    handle.extension(|| {
        let sockets = ProcessSockets::default();
        sockets.set(WebSockets::new(), handle);
        sockets
    })
}

impl ProcessSockets {
    fn list(&self) -> MutexGuard<'_, SocketList> {
        // Nothing under this lock can panic half way.
        self.list.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The window of the environment wins.
    pub(in crate::websocket) fn set(&self, settings: WebSockets, handle: &Handle) {
        self.list().settings = Arc::new(settings.within(window_of_the_environment(handle)));
    }

    pub(in crate::websocket) fn settings(&self) -> Arc<WebSockets> {
        self.list().settings.clone()
    }

    /// Puts a socket on the list for as long as the result lives. To be called on a runtime.
    pub(in crate::websocket) fn enter(handle: &Handle, last: bool) -> ListedSocket {
        let turn = Arc::new(Turn::new(last));
        let sockets = sockets_of(handle);
        let mut list = sockets.list();
        list.unplanned[usize::from(last)] += 1;
        let key = list.entries.insert(PacedSocket {
            turn: turn.clone(),
            planned: false,
        });
        let paced = std::mem::replace(&mut list.paced, true);
        drop(list);
        if !paced {
            // In the task from the beginning, so that a runtime that ends gives it up.
            let pacer = Pacer(handle.clone());
            tokio::spawn(async move { pacer.run().await });
        }
        sockets.changed.notify_waiters();
        ListedSocket {
            turn,
            handle: handle.clone(),
            key,
        }
    }

    /// Plans the next ones.
    fn next(&self, others_had_their_time: bool) -> Next {
        let mut list = self.list();
        let last = match list.unplanned {
            [0, 0] => return Next::Nobody,
            [0, last] => {
                if list.entries.len() > last && !others_had_their_time {
                    return Next::OthersFirst;
                }
                true
            }
            _ => false,
        };
        list.unplanned[usize::from(last)] = 0;
        let entries = list.entries.iter_mut();
        let these = entries.filter(|(_, it)| !it.planned && it.turn.last == last);
        Next::These(
            these
                .map(|(_, it)| {
                    it.planned = true;
                    it.turn.clone()
                })
                .collect(),
        )
    }
}

/// A socket's place on the list.
pub(in crate::websocket) struct ListedSocket {
    pub(in crate::websocket) turn: Arc<Turn>,
    handle: Handle,
    key: usize,
}

impl Drop for ListedSocket {
    fn drop(&mut self) {
        let sockets = sockets_of(&self.handle);
        let mut list = sockets.list();
        let gone = list.entries.try_remove(self.key);
        if gone.as_ref().is_some_and(|it| !it.planned) {
            list.unplanned[usize::from(self.turn.last)] -= 1;
        }
        drop(list);
        sockets.changed.notify_waiters();
    }
}

/// The task that gives the turns. However it ends, the next socket brings a new one.
struct Pacer(Handle);

impl Drop for Pacer {
    fn drop(&mut self) {
        sockets_of(&self.0).list().paced = false;
    }
}

impl Pacer {
    async fn run(&self) {
        let Pacer(handle) = self;
        let sockets = sockets_of(handle);
        handle.until_draining().await;
        let mut others_until = Instant::now();
        loop {
            let mut changed = pin!(sockets.changed.notified());
            changed.as_mut().enable();
            match sockets.next(Instant::now() >= others_until) {
                Next::These(turns) => {
                    self.send_away(&turns).await;
                    others_until = Instant::now() + self.time_for_goodbyes();
                }
                Next::OthersFirst => tokio::select! {
                    () = changed => {}
                    () = sleep_until(others_until) => {}
                },
                Next::Nobody => changed.await,
            }
        }
    }

    fn left(&self) -> Duration {
        self.0.left_until(self.0.budget().drain_until())
    }

    /// How long those that come last wait for the goodbyes of the others: twice the closing time,
    /// and half of what is left at the most.
    fn time_for_goodbyes(&self) -> Duration {
        let closing = sockets_of(&self.0).settings().closing;
        closing.saturating_mul(2).min(self.left() / 2)
    }

    async fn send_away(&self, turns: &[Arc<Turn>]) {
        let plan = ClosePlan::of(turns.len(), &sockets_of(&self.0).settings(), self.left());
        let began = Instant::now();
        for (nth, batch) in turns.chunks(plan.size).enumerate() {
            tokio::select! {
                biased;
                () = self.0.until_hurried() => {}
                () = self.0.until_drain_deadline() => {}
                () = sleep_until(began + plan.at(nth, random())) => {}
            }
            for turn in batch {
                turn.give();
            }
        }
    }
}
