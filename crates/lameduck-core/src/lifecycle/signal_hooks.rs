//! What an application runs each time a signal comes.
//!
//! # What must hold
//!
//! A hook runs once at a time, and again if its signal has come meanwhile. Whatever it does, the process
//! goes on; a hook at work when the shutdown begins is waited for like any other work.

use tokio::sync::watch;
use tokio::task::JoinSet;

use tracing::Level;

use crate::base::abort_on_drop::AbortOnDrop;
use crate::base::text::panic_text;
use crate::base::{BoxError, BoxFuture};
use crate::handle::Handle;
use crate::process::signal::SignalListener;
use crate::report::redact::without_passwords;
use crate::system::signal_set::{SignalSet, signal_name};
use crate::voice;

/// The kind under which a hook is in the ledger while it runs.
const SIGNAL_HOOK: &str = "signal hook";

/// What signals are to mean.
#[derive(Default)]
pub(super) struct SignalPlan {
    /// `None` in a process that somebody else owns.
    pub(super) listener: Option<SignalListener>,
    /// The process that listens. Another one is a fork of it, without any of its threads.
    pub(super) process: Option<u32>,
    /// Those that somebody else handled before.
    pub(super) foreign: SignalSet,
    pub(super) asked: Option<SignalSet>,
    pub(super) hooks: Vec<SignalHook>,
}

/// What to run each time a signal comes.
pub(super) struct SignalHook {
    pub(super) signal: i32,
    /// `None` if there is nobody to hear it.
    pub(super) count: Option<watch::Receiver<u64>>,
    pub(super) run: Box<dyn Fn() -> BoxFuture<Result<(), BoxError>> + Send + Sync>,
}

/// Runs the hooks until the drain begins, or they are dropped.
pub(super) fn spawn_hooks(plan: SignalPlan, handle: &Handle) -> JoinSet<()> {
    let mut running = JoinSet::new();
    for hook in plan.hooks {
        running.spawn(serve(hook, handle.clone()));
    }
    running
}

async fn serve(hook: SignalHook, handle: Handle) {
    let Some(mut count) = hook.count else { return };
    loop {
        tokio::select! {
            biased;
            () = handle.until_draining() => return,
            changed = count.changed() => if changed.is_err() { return },
        }
        let name = signal_name(hook.signal);
        let _guard = handle.track(SIGNAL_HOOK, name.clone());
        let run = std::panic::AssertUnwindSafe(|| (hook.run)());
        let made = std::panic::catch_unwind(run);
        let ended = match made {
            Ok(run) => {
                let mut run = AbortOnDrop(tokio::spawn(run));
                tokio::select! {
                    biased;
                    () = handle.until_drain_deadline() => return,
                    ended = &mut run.0 => ended.map_err(|lost| match lost.try_into_panic() {
                        Ok(panic) => panic_text(&*panic).to_owned(),
                        Err(lost) => lost.to_string(),
                    }),
                }
            }
            Err(panic) => Err(panic_text(&*panic).to_owned()),
        };
        match ended {
            Ok(Ok(())) => voice::event(Level::INFO, move || {
                tracing::info!(target: "lameduck", signal = name, "hook has run");
            }),
            Ok(Err(error)) => {
                let error = without_passwords(&error.to_string()).into_owned();
                voice::event(Level::ERROR, move || {
                    tracing::error!(target: "lameduck", signal = name, error, "hook failed");
                });
            }
            Err(panic) => voice::event(Level::ERROR, move || {
                tracing::error!(target: "lameduck", signal = name, panic, "hook panicked");
            }),
        }
    }
}
