//! The few system calls that have no safe wrapper. All of this crate's `unsafe` is in this file.
#![allow(unsafe_code)]

/// Ends the process at once: no destructors, no `atexit` handlers.
#[cfg(unix)]
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes no pointer and does not return; it is async-signal-safe, so it may be
    // called whatever other threads are doing.
    unsafe { libc::_exit(code.into()) }
}

/// Ends the process. Elsewhere than on Unix this runs `atexit` handlers.
#[cfg(not(unix))]
pub(crate) fn exit_now(code: u8) -> ! {
    std::process::exit(code.into())
}
