//! Signals, on a thread of their own: they are heard while every runtime thread is blocked.
//!
//! SIGTERM and SIGINT begin the shutdown; a second hurries it; a third ends the process at once
//! with the report so far. On Windows it is Ctrl-C instead.

use std::io;
use std::thread;

use crate::handle::Handle;
use crate::lastwords;
use crate::reason::{SIGINT, signal_name};

/// Takes one signal into account.
fn received(handle: &Handle, signal: i32) {
    if handle.signalled(signal) >= 3 {
        let code = 128 + u8::try_from(signal).unwrap_or(127);
        lastwords::end(handle, "a third signal ended the process", code);
    }
    // Last: whoever listens to events may block.
    tracing::info!(target: "lameduck", signal = signal_name(signal), "received");
}

/// Begins to listen. From here on a SIGTERM no longer kills the process.
#[cfg(unix)]
pub(crate) fn listen(handle: Handle) -> io::Result<()> {
    use signal_hook::consts::SIGTERM;
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new()
        .name("lameduck-signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                received(&handle, signal);
            }
        })
        .map(drop)
}

/// Begins to listen. From here on Ctrl-C no longer kills the process.
#[cfg(windows)]
pub(crate) fn listen(handle: Handle) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("lameduck-signals".into())
        .spawn(move || {
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    received(&handle, SIGINT);
                }
            })
        })
        .map(drop)
}
