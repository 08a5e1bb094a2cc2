//! Tasks of the application's that the shutdown waits for.
//!
//! # What must hold
//!
//! A task or future is in the ledger from before it is spawned, or polled, until the future is gone, however that
//! ended; so there is no moment at which a drain could miss it.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use crate::base::bounded::catch_panic;
use crate::base::text::panic_text;
use crate::handle::Handle;
use crate::inflight::{Guard, Name};

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
                () = handle.until_drain_deadline() => None,
            }
        })
    }

    /// Has the shutdown wait for a future that somebody else polls: in a task of its own (`JoinSet`, a spawner that is
    /// not tokio's), or within another future. It is in the ledger from this call until it is gone, whether it has
    /// ended, has panicked or was dropped.
    ///
    /// Beside [`spawn`](Handle::spawn): it is not let go when the time for draining is over, only named in the report
    /// if it is still there; and a panic goes to whoever polls it.
    ///
    /// ```no_run
    /// # async fn send_receipt() {}
    /// # fn answer(handle: &lameduck_core::Handle, mails: &mut tokio::task::JoinSet<()>) {
    /// mails.spawn(handle.track_future("mail", "receipt 17", send_receipt()));
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `future`.
    pub fn track_future<F, N>(
        &self,
        kind: &'static str,
        name: N,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F, N>
    where
        F: Future,
        N: Into<Name>,
    {
        InLedger {
            future: Some(future),
            guard: Some(self.track(kind, name)),
        }
    }
}

pin_project! {
    /// A future in the ledger. Its fields are dropped in this order: the future is gone before the guard is.
    struct InLedger<F> {
        #[pin]
        future: Option<F>,
        guard: Option<Guard>,
    }
}

impl<F: Future> Future for InLedger<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("polled after it has ended");
        };
        let polled = future.poll(cx);
        if polled.is_ready() {
            this.future.set(None);
            *this.guard = None;
        }
        polled
    }
}
