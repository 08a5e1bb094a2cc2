//! Signals, on a thread of their own: they are heard while every runtime thread is blocked.
//!
//! The first that means a shutdown begins it, the second hurries it, the third ends the process at once with
//! the report so far. Which ones do, [`SignalSet`](crate::system::signal_set::SignalSet) says; which are copies of one stop, [`Repeats`]. Others go to the
//! hooks of the application. On Windows there is Ctrl-C instead.
//!
//! # What must hold
//!
//! 1. The thread does nothing that can block: no event, no write, no lock that is held for longer than a
//!    few instructions. Whatever else is stuck, the third signal ends the process.
//! 2. SIGTERM is heard whatever mask and dispositions were inherited. What else was blocked is unblocked, on this
//!    thread alone: a signal to the process is taken by any thread that has it unblocked.
//! 3. What was inherited as ignored stays so (SIGINT, SIGQUIT, SIGHUP: `nohup`, `&` in a shell), unless a hook is
//!    asked for: that does not end anything.
//! 4. A signal for a hook is remembered until the hook has run, and those that come meanwhile are one.
//! 5. None of the four that begin a shutdown by default ever ends the process undrained: one that is left out
//!    does nothing, unless the application handles it by itself.

use tracing::Level;

use crate::handle::Handle;
use crate::process::repeats::{Repeats, SignalOrigin};
use crate::process::{final_report, terminal};
use crate::shutdown::phase::Phase;
use crate::system::signal_set::signal_name;
use crate::voice;

/// Takes one signal that means a shutdown into account.
fn stop(handle: &Handle, signal: i32, origin: SignalOrigin) {
    let signal_name = signal_name(signal);
    voice::event(Level::INFO, move || {
        tracing::info!(target: "lameduck", signal = signal_name, "received");
    });
    // Looked at before: the one that begins it may be what a process with nothing to do ends by.
    let is_over = handle.phase() == Phase::Stopped;
    let nth = match origin {
        SignalOrigin::Process => handle.signalled(signal),
        SignalOrigin::Key => handle.pressed(signal),
    };
    if nth >= 3 || is_over {
        final_report::end(handle, 128 + u8::try_from(signal).unwrap_or(127));
    }
    terminal::tell(handle, nth, is_over);
}

#[cfg(unix)]
pub(crate) use unix::SignalListener;
#[cfg(windows)]
pub(crate) use windows::SignalListener;

#[cfg(unix)]
mod unix {
    use std::io::{self, Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, OnceLock};
    use std::thread;
    use std::time::Instant;

    use libc::siginfo_t;
    use signal_hook::iterator::backend::{self, SignalDelivery};
    use signal_hook::iterator::exfiltrator::raw::WithRawSiginfo;
    use tokio::sync::watch;

    use super::{Handle, Repeats, SignalOrigin, stop};
    use crate::system::signal_set::{SIGINT, SIGQUIT, SIGTERM, SignalSet};
    use crate::system::sys::{self, Disposition};

    /// What is done about signals.
    pub(crate) struct SignalListener {
        shared: Arc<ListenerState>,
        registry: backend::Handle,
        /// A byte here wakes the thread.
        wake: UnixStream,
    }

    struct ListenerState {
        /// Those that mean a shutdown.
        stops: AtomicU64,
        /// Those that have a handler, and are to be unblocked.
        caught: AtomicU64,
        /// How often each has come that has a hook.
        hooks: [OnceLock<watch::Sender<u64>>; 64],
    }

    impl SignalListener {
        /// Of those that mean a shutdown by default, what somebody in this process handles already: who does
        /// that with SIGHUP has another use for it.
        pub(crate) fn foreign() -> SignalSet {
            let handled = |signal: &i32| sys::disposition(*signal) == Disposition::Handled;
            let yielding = SignalSet::YIELDING.iter().filter(handled);
            yielding.fold(SignalSet::EMPTY, SignalSet::with)
        }

        /// Begins to listen. From here on a SIGTERM no longer kills the process.
        pub(crate) fn open(
            handle: Handle,
            stops: SignalSet,
            foreign: SignalSet,
        ) -> io::Result<SignalListener> {
            let (read, write) = UnixStream::pair()?;
            let wake = write.try_clone()?;
            let none: [i32; 0] = [];
            let delivery = SignalDelivery::with_pipe(read, write, WithRawSiginfo, none)?;
            let ear = SignalListener {
                shared: Arc::new(ListenerState {
                    stops: AtomicU64::new(0),
                    caught: AtomicU64::new(0),
                    hooks: [const { OnceLock::new() }; 64],
                }),
                registry: delivery.handle(),
                wake,
            };
            for signal in SignalSet::DEFAULT.without(foreign).iter() {
                ear.catch_unless_ignored(signal)?;
            }
            ear.stop_at(stops)?;
            let shared = ear.shared.clone();
            thread::Builder::new()
                .name("lameduck-signals".into())
                .spawn(move || listen(delivery, &shared, &handle))?;
            Ok(ear)
        }

        /// Has these mean a shutdown from now on, and no others.
        pub(crate) fn stop_at(&self, stops: SignalSet) -> io::Result<()> {
            for signal in stops.iter() {
                self.catch_unless_ignored(signal)?;
            }
            self.shared.stops.store(stops.0, Ordering::Release);
            Ok(())
        }

        /// Counts this signal from now on, for a hook.
        pub(crate) fn hook(&self, signal: i32) -> io::Result<watch::Receiver<u64>> {
            let at = usize::try_from(signal).ok();
            let Some(place) = at.and_then(|at| self.shared.hooks.get(at)) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            let count = place.get_or_init(|| watch::Sender::new(0)).subscribe();
            self.catch(signal)?;
            Ok(count)
        }

        fn catch_unless_ignored(&self, signal: i32) -> io::Result<()> {
            let may_be = SignalSet::DEFAULT.has(signal) && signal != SIGTERM;
            match may_be && sys::disposition(signal) == Disposition::Ignored {
                true => Ok(()),
                false => self.catch(signal),
            }
        }

        fn catch(&self, signal: i32) -> io::Result<()> {
            self.registry.add_signal(signal)?;
            let bit = SignalSet::EMPTY.with(signal).0;
            self.shared.caught.fetch_or(bit, Ordering::AcqRel);
            // If the pipe is full the thread is about to wake anyway.
            self.wake.set_nonblocking(true)?;
            let _ = (&self.wake).write(&[0]);
            Ok(())
        }
    }

    /// The thread.
    fn listen(
        mut signals: SignalDelivery<UnixStream, WithRawSiginfo>,
        shared: &ListenerState,
        handle: &Handle,
    ) {
        let mut repeats = Repeats::default();
        let mut unblocked = SignalSet::EMPTY;
        loop {
            let caught = SignalSet(shared.caught.load(Ordering::Acquire));
            if caught != unblocked {
                sys::unblock(caught);
                unblocked = caught;
            }
            match signals.poll_pending(&mut a_byte) {
                Ok(Some(pending)) => {
                    for it in pending {
                        heard(&it, &mut repeats, shared, handle);
                    }
                }
                // Neither comes to pass: nobody closes the pipe.
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Waits for one.
    fn a_byte(read: &mut UnixStream) -> io::Result<bool> {
        loop {
            match read.read(&mut [0]) {
                Ok(n) => return Ok(n > 0),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn heard(info: &siginfo_t, repeats: &mut Repeats, shared: &ListenerState, handle: &Handle) {
        let signal = info.si_signo;
        if SignalSet(shared.stops.load(Ordering::Acquire)).has(signal) {
            let origin = origin(info);
            if repeats.counts(origin, Instant::now()) {
                stop(handle, signal, origin);
            }
        }
        let at = usize::try_from(signal).ok();
        if let Some(count) = at.and_then(|at| shared.hooks.get(at)?.get()) {
            count.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    /// A terminal's key has the kernel send the signal, and nobody else sends these in its name.
    fn origin(info: &siginfo_t) -> SignalOrigin {
        #[cfg(target_os = "linux")]
        if info.si_code == libc::SI_KERNEL && matches!(info.si_signo, SIGINT | SIGQUIT) {
            return SignalOrigin::Key;
        }
        let _ = (info, SIGINT, SIGQUIT);
        SignalOrigin::Process
    }
}

#[cfg(windows)]
mod windows {
    use std::io;
    use std::thread;
    use std::time::Instant;

    use tokio::sync::watch;

    use super::{Handle, Repeats, SignalOrigin, stop};
    use crate::system::signal_set::{SIGINT, SignalSet};

    /// What is done about Ctrl-C.
    pub(crate) struct SignalListener(());

    impl SignalListener {
        /// Nothing.
        pub(crate) fn foreign() -> SignalSet {
            SignalSet::EMPTY
        }

        /// Begins to listen. From here on Ctrl-C no longer kills the process.
        pub(crate) fn open(
            handle: Handle,
            _: SignalSet,
            _: SignalSet,
        ) -> io::Result<SignalListener> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            thread::Builder::new()
                .name("lameduck-signals".into())
                .spawn(move || {
                    let mut repeats = Repeats::default();
                    runtime.block_on(async {
                        while tokio::signal::ctrl_c().await.is_ok() {
                            if repeats.counts(SignalOrigin::Key, Instant::now()) {
                                stop(&handle, SIGINT, SignalOrigin::Key);
                            }
                        }
                    })
                })?;
            Ok(SignalListener(()))
        }

        /// There is but the one.
        pub(crate) fn stop_at(&self, _: SignalSet) -> io::Result<()> {
            Ok(())
        }

        /// Nothing to hook on.
        pub(crate) fn hook(&self, _: i32) -> io::Result<watch::Receiver<u64>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
