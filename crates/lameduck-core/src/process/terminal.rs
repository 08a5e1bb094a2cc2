//! Somebody at a terminal: whether there is one, and what is told there while a shutdown takes its time.
//!
//! Nothing where `tracing` has a subscriber, which gets the same as events, or where standard error is no terminal.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

use crate::base::text::{plural, short};
use crate::handle::Handle;
use crate::voice;

/// Says what is waited for, after the `nth` signal; `is_over` once nothing is.
pub(crate) fn tell(handle: &Handle, nth: usize, is_over: bool) {
    if LevelFilter::current() != LevelFilter::OFF || nth > 2 || is_over {
        return;
    }
    let handle = handle.clone();
    voice::lines(move || match std::io::stderr().is_terminal() {
        true => waited_for(&handle, nth),
        false => String::new(),
    });
}

fn waited_for(handle: &Handle, nth: usize) -> String {
    let in_flight = handle.ledger().page(0, 1);
    let by_kind = in_flight.by_kind.iter().map(|(kind, n)| plural(*n, kind));
    let all = by_kind.collect::<Vec<_>>().join(", ");
    let waits = match in_flight.entries.first() {
        None => "closing what is idle".to_owned(),
        Some(it) => {
            let (kind, name, age) = (it.kind, &it.name, short(it.age));
            format!("waiting for {all} (the oldest: {kind} {name}, {age} old)")
        }
    };
    let left = short(handle.time_left());
    match nth {
        1 => {
            let reason = handle
                .reason()
                .map_or_else(String::new, ToString::to_string);
            format!(
                "lameduck: {reason}: {waits}, for at most {left}. Once more: no waiting for quiet; a third time: the end \
                 at once\n"
            )
        }
        _ => format!("lameduck: {waits}, for at most {left}. Once more: the end at once\n"),
    }
}

/// Whether standard input is a terminal, and we are what it runs in the foreground: then a SIGINT is somebody
/// who wants the process to be gone, and not a platform that moves traffic away.
#[cfg(unix)]
pub(crate) fn is_attended() -> bool {
    let stdin = rustix::stdio::stdin();
    rustix::termios::isatty(stdin)
        && rustix::termios::tcgetpgrp(stdin)
            .is_ok_and(|foreground| foreground == rustix::process::getpgrp())
}

/// Ctrl-C is all there is.
#[cfg(not(unix))]
pub(crate) fn is_attended() -> bool {
    true
}
