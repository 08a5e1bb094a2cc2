//! Tasks of the application's that the shutdown waits for.
//!
//! # What must hold
//!
//! A task is in the ledger from before it is spawned until its future is gone, however it ended; so there is no
//! moment at which a drain could miss it.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;

use tokio::task::JoinHandle;

use crate::base::bounded::catch_panic;
use crate::inflight::Name;
use crate::report::panic_text;
use crate::shutdown::handle::Handle;

impl Handle {
    /// Spawns a task that the shutdown waits for, and that is named in the report if it does not end in time.
    ///
    /// `tokio::spawn` alone has nobody wait: when `main` returns the runtime drops such a task where it stands,
    /// and the exit code is 0 all the same. So what a request leaves behind (an e-mail, an entry in an audit log)
    /// belongs here, or into a job queue if it must survive a crash.
    ///
    /// The result is `None` if the task was let go: it is dropped at its next `await` when the time for draining
    /// is over. A panic is in the report, and in the [`JoinHandle`] as with tokio's. Dropping the `JoinHandle`
    /// changes nothing.
    ///
    /// ```no_run
    /// # async fn send_receipt() {}
    /// # fn answer(handle: &lameduck_core::Handle) {
    /// handle.spawn("mail", "receipt 17", send_receipt());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a runtime, as `tokio::spawn`.
    #[track_caller]
    pub fn spawn<F>(
        &self,
        kind: &'static str,
        name: impl Into<Name>,
        future: F,
    ) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let guard = self.track(kind, name);
        let handle = self.clone();
        tokio::spawn(async move {
            // In this order: the future is gone before the guard is.
            let guard = guard;
            let mut future = pin!(future);
            tokio::select! {
                biased;
                ended = catch_panic(future.as_mut()) => match ended {
                    Ok(output) => Some(output),
                    Err(panic) => {
                        let entry = guard.entry();
                        handle.journal().panicked(kind, entry.name, panic_text(&*panic));
                        resume_unwind(panic)
                    }
                },
                () = handle.let_go() => None,
            }
        })
    }
}
