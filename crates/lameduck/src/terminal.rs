//! Whether somebody sits at a terminal.

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
