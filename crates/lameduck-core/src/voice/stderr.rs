//! Standard error, past the lock of `eprintln!`, which a blocked thread may hold, and whatever it is: a pipe that
//! is full, one that another process has made non-blocking, a closed descriptor, a full disk.

#[cfg(unix)]
pub(crate) use unix::{write, write_now};

#[cfg(unix)]
mod unix {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::Errno;

    /// What the kernel takes of a pipe at once, or not at all (`PIPE_BUF`, pipe(7)).
    const PIECE: usize = 4096;

    /// Writes all of it, however long that takes. What cannot be written at all is lost.
    pub(crate) fn write(text: &str) {
        write_with(text, None);
    }

    /// Writes as much as there is room for at this moment: for who may not wait, and has no thread that may.
    pub(crate) fn write_now(text: &str) {
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        write_with(text, Some(&at_once));
    }

    /// Writes it piece by piece, each when there is room, which is waited for no longer than that.
    fn write_with(text: &str, wait: Option<&Timespec>) {
        let stderr = rustix::stdio::stderr();
        let mut left = text.as_bytes();
        while !left.is_empty() {
            if let Ok(0) = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], wait) {
                return;
            }
            match rustix::io::write(stderr, &left[..left.len().min(PIECE)]) {
                Ok(n) => left = &left[n..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return,
            }
        }
    }
}

/// Writes all of it. What cannot be written is lost.
#[cfg(not(unix))]
pub(crate) fn write(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The same: there is no asking for room.
#[cfg(not(unix))]
pub(crate) fn write_now(text: &str) {
    write(text);
}
