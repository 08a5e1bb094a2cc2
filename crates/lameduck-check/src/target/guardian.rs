//! The guardian: a process between the prover and its target, which outlives the prover by as long as it takes to end all
//! that the target has started.
//!
//! The target is its child, and what loses its parent becomes its child too (PR_SET_CHILD_SUBREAPER, prctl(2)), whatever
//! group or session it has moved to. So a tree is followed to its last process, and daemons that fork are. The prover
//! holds one end of a pipe, and the guardian the other. Once that pipe is closed, because the prover is done, has panicked,
//! or was killed, the guardian kills its children until it has none.
//!
//! It is a fork of the prover that starts no program: the prover may be a library in a program that knows nothing of this,
//! and there is no file to start. It lives on its stack, and makes nothing but system calls.
//!
//! # What must hold
//! - After the fork nothing is allocated, locked or dropped, and nothing can panic: another thread of the prover may have
//!   held any lock at that moment.
//! - No file of the prover stays open in it but its own two: else pipes and connections would not end.
//! - No signal ends it but SIGKILL; then the target is killed as well, by the kernel (PR_SET_PDEATHSIG).
//! - It ends when there is nobody left to guard.

use std::io;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use libc::{c_int, pid_t};

/// How many bytes a notice has.
pub(super) const NOTICE: usize = 16;

/// What the guardian tells: a process that it has started, or one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) pid: i32,
    /// The status as wait(2) has it; `None` for the target that was just started.
    pub(super) status: Option<i32>,
    /// When, by the clock that [`Instant`] goes by.
    nanoseconds: i64,
}

/// No status of wait(2) is negative.
const STARTED: i32 = -1;

impl Notice {
    pub(super) fn read(bytes: [u8; NOTICE]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let status = i32::from_ne_bytes([e, f, g, h]);
        Self {
            pid: i32::from_ne_bytes([a, b, c, d]),
            status: (status != STARTED).then_some(status),
            nanoseconds: i64::from_ne_bytes(rest),
        }
    }

    fn bytes(pid: pid_t, status: c_int) -> [u8; NOTICE] {
        let [a, b, c, d] = pid.to_ne_bytes();
        let [e, f, g, h] = status.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = now().to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// When that was. A prover that stood still reads it later.
    pub(super) fn at(&self) -> Instant {
        let ago = u64::try_from(now() - self.nanoseconds).unwrap_or(0);
        let here = Instant::now();
        here.checked_sub(Duration::from_nanos(ago)).unwrap_or(here)
    }
}

/// Has the guardian stand between the prover and the command that it is about to start.
pub(super) fn stand_before(command: &mut tokio::process::Command, pipe: RawFd, notices: RawFd) {
    // SAFETY: what runs between fork and exec makes nothing but system calls, see above.
    unsafe { command.pre_exec(move || stand_between(pipe, notices)) };
}

/// In the child of the prover: returns in the target-to-be, and nowhere else.
fn stand_between(pipe: RawFd, notices: RawFd) -> io::Result<()> {
    // SAFETY: system calls with plain values; the child of a fork in a program of one thread, which this is now, may do
    // anything.
    unsafe {
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        match libc::fork() {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                #[cfg(target_os = "linux")]
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
                libc::setpgid(0, 0);
                Ok(())
            }
            target => guard(target, pipe, notices),
        }
    }
}

/// # Safety
/// To be called in a process of its own with a single thread.
unsafe fn guard(target: pid_t, pipe: RawFd, notices: RawFd) -> ! {
    /// Children that cannot be killed, such as those of another user, are not waited for any longer.
    const PATIENCE: i64 = 10_000_000_000;
    // SAFETY: system calls on values of this function alone.
    unsafe {
        close_all_but(pipe, notices);
        let children = deaf_but_for_children();
        tell(notices, target, STARTED);
        let mut ending_since = None;
        loop {
            let mut status = 0;
            match libc::waitpid(-1, &mut status, libc::WNOHANG) {
                0 => {}
                -1 if *errno() == libc::EINTR => continue,
                -1 => libc::_exit(0),
                child => {
                    tell(notices, child, status);
                    continue;
                }
            }
            if let Some(since) = ending_since {
                kill_children(target);
                if now() - since > PATIENCE {
                    libc::_exit(1);
                }
            }
            let poll = |fd| libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            // Once it ends, the pipe has no more to say.
            let mut both = [
                poll(if ending_since.is_some() { -1 } else { pipe }),
                poll(children),
            ];
            // Without a descriptor for signals, and for what is forked while it is killed: a look now and then.
            let limit = match children < 0 || ending_since.is_some() {
                true => 5,
                false => -1,
            };
            libc::poll(both.as_mut_ptr(), 2, limit);
            if both[0].revents != 0 {
                let mut byte = 0u8;
                let read = libc::read(pipe, (&raw mut byte).cast(), 1);
                // Nothing is ever written to it: it has ended, or is broken.
                if read >= 0 || *errno() != libc::EINTR {
                    ending_since = Some(now());
                }
            }
            if both[1].revents != 0 {
                // One notice of several children; all that have ended are asked for above.
                let mut info = [0u8; 128];
                libc::read(children, info.as_mut_ptr().cast(), info.len());
            }
        }
    }
}

/// # Safety
/// Whatever else is open must not be used any more.
unsafe fn close_all_but(pipe: RawFd, notices: RawFd) {
    let (low, high) = (pipe.min(notices), pipe.max(notices));
    let ranges = [(0, low - 1), (low + 1, high - 1), (high + 1, c_int::MAX)];
    for (from, to) in ranges.into_iter().filter(|(from, to)| from <= to) {
        // SAFETY: as this function's own.
        unsafe {
            #[cfg(target_os = "linux")]
            if libc::syscall(libc::SYS_close_range, from, to, 0) == 0 {
                continue;
            }
            // Linux before 5.9, and others.
            for fd in from..=to.min(65_535) {
                libc::close(fd);
            }
        }
    }
}

/// Blocks all signals. Returns the descriptor that tells of a child's end; -1 where there is none.
///
/// # Safety
/// In a process of its own.
unsafe fn deaf_but_for_children() -> RawFd {
    // SAFETY: a set of signals is plain memory, which sigfillset and sigemptyset write whole.
    unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigfillset(&mut signals);
        libc::sigprocmask(libc::SIG_SETMASK, &signals, std::ptr::null_mut());
        // Ignored, children would vanish without a status.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        #[cfg(target_os = "linux")]
        {
            libc::prctl(libc::PR_SET_NAME, c"lameduck-guard".as_ptr(), 0, 0, 0);
            libc::sigemptyset(&mut signals);
            libc::sigaddset(&mut signals, libc::SIGCHLD);
            libc::signalfd(-1, &signals, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
        }
        #[cfg(not(target_os = "linux"))]
        -1
    }
}

/// Kills every child; what those leave behind are children then, and have their turn the next time.
///
/// # Safety
/// In the guardian.
unsafe fn kill_children(target: pid_t) {
    // SAFETY: reads into memory of this function's own.
    unsafe {
        let list = c"/proc/thread-self/children".as_ptr();
        let list = libc::open(list, libc::O_RDONLY | libc::O_CLOEXEC);
        if list < 0 {
            // Not every kernel has that list.
            libc::kill(-target, libc::SIGKILL);
            return;
        }
        let mut text = [0u8; 4096];
        let read = libc::read(list, text.as_mut_ptr().cast(), text.len());
        libc::close(list);
        let mut pid: pid_t = 0;
        // Each number is followed by a space. One that is cut off by the end of the buffer is of the next time.
        for byte in text.iter().take(usize::try_from(read).unwrap_or(0)) {
            match byte {
                b'0'..=b'9' => pid = pid.wrapping_mul(10).wrapping_add(pid_t::from(byte - b'0')),
                _ if pid > 1 => {
                    libc::kill(pid, libc::SIGKILL);
                    pid = 0;
                }
                _ => pid = 0,
            }
        }
    }
}

/// # Safety
/// `notices` is open.
unsafe fn tell(notices: RawFd, pid: pid_t, status: c_int) {
    let bytes = Notice::bytes(pid, status);
    // SAFETY: of memory that lives longer. A prover that is gone or does not read is not waited for.
    unsafe { libc::write(notices, bytes.as_ptr().cast(), NOTICE) };
}

/// The clock of [`Instant`] in nanoseconds.
fn now() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes into memory of this function's own.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec)
}

unsafe fn errno() -> *mut c_int {
    // SAFETY: always a valid pointer to this thread's own.
    unsafe {
        #[cfg(target_os = "linux")]
        return libc::__errno_location();
        #[cfg(not(target_os = "linux"))]
        return libc::__error();
    }
}
