//! File descriptors when there are none left.
//!
//! A process that has used up its descriptors (`RLIMIT_NOFILE`) cannot answer a probe, and would be
//! restarted because it has too many connections; nor can it open the file of its report.
//!
//! # What must hold
//!
//! 1. However many peers connect to servers of ours, [`Headroom`] is left for everything else.
//! 2. If it is the application that uses up all, a few that are kept spare are there for the probes
//!    and for what a shutdown opens: [`with_spare`].
//!
//! A spare one is given back before something is opened in its place, so somebody else may be quicker
//! in between. Then the next one is tried. When a connection of the probes ends, its descriptor becomes
//! a spare one without ever being free ([`keep_instead`]).

use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How many are kept spare: a sixteenth of the limit, as far as that is between 2 and 8.
fn spare() -> usize {
    let share = limit().map_or(8, |limit| limit / 16);
    share.clamp(2, 8) as usize
}

/// How long to wait before looking again whether there are descriptors.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Whether an error is for want of something that others may give back.
pub(crate) fn exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    return matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    );
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

#[cfg(unix)]
type Spare = std::os::fd::OwnedFd;
#[cfg(not(unix))]
type Spare = ();

/// A socket takes no file system, and one of its own counts in the system's limit too.
#[cfg(unix)]
fn one() -> Option<Spare> {
    let it = std::os::unix::net::UnixDatagram::unbound();
    it.ok().map(Spare::from)
}

#[cfg(not(unix))]
fn one() -> Option<Spare> {
    None
}

/// What a descriptor is of that stands for nothing. Opened while there are some.
#[cfg(target_os = "linux")]
static SOMETHING: std::sync::OnceLock<Spare> = std::sync::OnceLock::new();

static KEPT: Mutex<Vec<Spare>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<Spare>> {
    KEPT.lock().unwrap_or_else(|e| e.into_inner())
}

/// Makes the spare ones whole again, as far as that can be.
pub(crate) fn keep_spare() {
    let mut kept = kept();
    #[cfg(target_os = "linux")]
    if SOMETHING.get().is_none()
        && let Some(it) = one()
    {
        let _ = SOMETHING.set(it);
    }
    while kept.len() < spare() {
        match one() {
            Some(it) => kept.push(it),
            None => return,
        }
    }
}

/// Closes a connection. If there are too few spare descriptors, its own becomes one in the same moment.
pub(crate) fn keep_instead(connection: std::net::TcpStream) {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::{DupFlags, dup3};
        let mut kept = kept();
        if kept.len() < spare()
            && let Some(something) = SOMETHING.get()
        {
            let mut it = Spare::from(connection);
            if dup3(something, &mut it, DupFlags::CLOEXEC).is_ok() {
                kept.push(it);
            }
            return;
        }
    }
    drop(connection);
}

/// Gives a spare one back to the system. `false` if there is none.
fn give_one_back() -> bool {
    kept().pop().is_some()
}

/// Opens something, with the spare descriptors if there are no others.
pub(crate) fn with_spare<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match open() {
            Err(e) if exhausted(&e) && give_one_back() => {}
            done => return done,
        }
    }
}

/// How far a server may go: it takes no connection with a descriptor near the limit. The system gives
/// the lowest number that is free, so the number of a connection says how many are in use.
#[derive(Debug)]
pub(crate) struct Headroom {
    /// The lowest descriptor there was when the server began.
    base: u64,
    /// The first number that is too near.
    bound: std::sync::atomic::AtomicU64,
}

/// The most that is left to others.
const MOST: u64 = 64;

impl Headroom {
    /// For a server whose socket has this number.
    pub(crate) fn from(base: i32) -> Headroom {
        let it = Headroom {
            base: u64::try_from(base).unwrap_or(0),
            bound: 0.into(),
        };
        it.look();
        it
    }

    /// Whether it is time to wait for connections to end.
    #[inline]
    pub(crate) fn is_used(&self, number: i32) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        let number = u64::try_from(number).unwrap_or(0);
        // The limit may have been raised meanwhile.
        number >= self.bound.load(Relaxed) && number >= self.look()
    }

    fn look(&self) -> u64 {
        let bound = limit().map_or(u64::MAX, |limit| bound(limit, self.base));
        self.bound
            .store(bound, std::sync::atomic::Ordering::Relaxed);
        bound
    }
}

/// An eighth of the limit is left, at most [`MOST`], and never more than half of what there was.
fn bound(limit: u64, base: u64) -> u64 {
    let left = (limit / 8).min(MOST);
    let half = limit.saturating_sub(base) / 2;
    limit - left.min(half)
}

/// How many descriptors this process may have; `None` if there is no limit.
pub(crate) fn limit() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_and_something_is_given() {
        for limit in [0, 8, 20, 64, 1024, 1 << 20] {
            for base in [0, 10, 30, 2000] {
                let bound = bound(limit, base);
                assert!(
                    bound <= limit && bound >= base.min(limit),
                    "{limit} {base}: {bound}"
                );
            }
        }
        assert_eq!(bound(1024, 12), 960);
        assert_eq!(bound(64, 12), 56);
        assert_eq!(bound(20, 16), 18);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_spare_is_used_when_there_is_nothing_else() {
        keep_spare();
        let mut refusals = 2;
        let opened = with_spare(|| {
            if refusals > 0 {
                refusals -= 1;
                return Err(io::Error::from_raw_os_error(libc::EMFILE));
            }
            Ok("open")
        });
        assert_eq!(opened.unwrap(), "open");
        let none =
            with_spare(|| -> io::Result<()> { Err(io::Error::from_raw_os_error(libc::EMFILE)) });
        assert!(exhausted(&none.unwrap_err()));
        keep_spare();
    }
}
