//! The watchdog: a plain thread that ends the process when its time has come, whatever hangs.
//!
//! # What must hold
//!
//! 1. The thread waits for a clock and calls `_exit(2)`, and does nothing else: it writes nothing, allocates
//!    nothing, starts nothing, and takes no lock. What is to be said by then is said by others
//!    ([`final_report`](crate::process::final_report)), who were started with it and have until then.
//! 2. It sleeps until a shutdown begins: an idle service is not woken.
//!
//! When that is, [`ForcedEnd`] knows.

use std::io;
use std::sync::Arc;
use std::thread::{self, Thread};

use crate::shutdown::forced_end::ForcedEnd;

/// Starts the thread. It sleeps until something is planned.
pub(crate) fn start(forced_end: Arc<ForcedEnd>) -> io::Result<Thread> {
    let started = thread::Builder::new()
        .name("lameduck-watchdog".into())
        .spawn(move || crate::system::sys::exit_now(forced_end.until_the_end()))?;
    Ok(started.thread().clone())
}
