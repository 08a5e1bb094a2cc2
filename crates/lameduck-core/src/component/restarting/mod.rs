//! A component that is started anew when it fails.
//!
//! # What must hold
//!
//! 1. There is one at a time: the future of the one that has failed is gone before the next is made.
//! 2. Between two there is a pause, which grows while they fail one after the other ([`backoff`]). One that fails too
//!    often in a row has failed for good, as any component does.
//! 3. Once the shutdown has begun none is started any more, and a pause ends at once.
//! 4. What cannot be had again is not pretended to be: one that was given sockets of `LISTEN_FDS` is not restarted.

mod backoff;

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::bounded::catch_panic;
use crate::base::text::{panicked, with_causes};
use crate::base::{BadConfiguration, BoxError, jitter};
use crate::component::admin_port::AdminPort;
use crate::component::{Component, Running, Start, StartError};
#[cfg(unix)]
use crate::environment::inherited::InheritedSockets;
use crate::handle::Handle;

use self::backoff::Backoff;

/// A component that is made and started anew when it fails: a consumer whose broker hangs up, a feed that breaks off.
///
/// Without this the failure of a component shuts the process down, which is right wherever something else restarts it,
/// and does so with a clean slate. This is for one part of a process whose other parts can go on without it.
///
/// ```no_run
/// # use lameduck_core::{Component, Lifecycle, Restarting, Running, Start, StartError};
/// # struct Consumer;
/// # impl Consumer { fn new(_: &str) -> Consumer { Consumer } }
/// # impl Component for Consumer {
/// #     fn name(&self) -> &str { "prices" }
/// #     fn start(self: Box<Self>, _: Start<'_>) -> Result<Running, StartError> { Ok(Box::pin(async { Ok(()) })) }
/// # }
/// let life = Lifecycle::new().component(Restarting::new(|| Consumer::new("prices")));
/// ```
///
/// - A failure is an error or a panic of the component's work, or of a start that is not the first: at the first start
///   nobody can tell a typo from bad luck, so that ends the process as it would without this. One that ends with `Ok` is
///   done.
/// - The pauses: 200 ms, then twice as long each time up to 30 s ([`pauses`](Restarting::pauses)), of which the second
///   half is left to chance, so that many processes do not come back at one moment.
/// - After 10 restarts in a row ([`at_most`](Restarting::at_most)) the next failure is for good: the process shuts down
///   with exit code 1. One that has run for a minute ([`steady_after`](Restarting::steady_after)) begins a new row.
/// - Each restart is an event (`WARN`), and in the report ([`Report::restarted`](crate::Report::restarted)); it does not
///   change the exit code.
/// - What was in flight in the one that has failed is its own to clean up: its future is dropped.
/// - Once the shutdown has begun nothing is restarted, be it in use by others or not.
/// - One that was given sockets of `LISTEN_FDS` is not restarted: they are gone with it.
#[derive(Debug)]
pub struct Restarting<C, F> {
    make: F,
    first: C,
    backoff: Backoff,
}

impl<C: Component, F: FnMut() -> C + Send + 'static> Restarting<C, F> {
    /// Runs what `make` makes. It is called once at once, and again for each restart, within the application's runtime.
    pub fn new(mut make: F) -> Restarting<C, F> {
        Restarting {
            first: make(),
            make,
            backoff: Backoff::default(),
        }
    }

    /// The shortest pause and the longest. Default: 200 ms to 30 s. A shortest of zero, or one above the longest, is bad
    /// configuration.
    pub fn pauses(mut self, pauses: Range<Duration>) -> Self {
        (self.backoff.least, self.backoff.most) = (pauses.start, pauses.end);
        self
    }

    /// How many restarts in a row there may be. Default: 10. With zero there are none.
    pub fn at_most(mut self, restarts: u32) -> Self {
        self.backoff.limit = restarts;
        self
    }

    /// How long one must have run for its failure to be the first of a row. Default: 1 min. Zero is bad configuration: no
    /// limit would ever be reached.
    pub fn steady_after(mut self, time: Duration) -> Self {
        self.backoff.steady_after = time;
        self
    }
}

impl<C: Component, F: FnMut() -> C + Send + 'static> Component for Restarting<C, F> {
    fn name(&self) -> &str {
        self.first.name()
    }

    fn listens(&self) -> bool {
        self.first.listens()
    }

    fn check(&self) -> Result<(), BadConfiguration> {
        self.backoff.check()?;
        self.first.check()
    }

    fn admin_port(&self) -> Option<Box<dyn AdminPort>> {
        self.first.admin_port()
    }

    fn start(self: Box<Self>, start: Start<'_>) -> Result<Running, StartError> {
        let Restarting {
            make,
            first,
            backoff,
        } = *self;
        let mut restarts = Restarts {
            name: first.name().to_owned(),
            handle: start.handle().clone(),
            lame_duck_min: start.lame_duck_min(),
            make,
            backoff,
        };
        #[cfg(unix)]
        if start.sockets.has_for(&restarts.name) {
            restarts.backoff.limit = 0;
        }
        let running = Box::new(first).start(start)?;
        Ok(Box::pin(restarts.keep_running(running)))
    }
}

/// What is needed to start it again.
struct Restarts<F> {
    name: String,
    handle: Handle,
    lame_duck_min: Duration,
    make: F,
    backoff: Backoff,
}

impl<C: Component, F: FnMut() -> C + Send + 'static> Restarts<F> {
    async fn keep_running(mut self, mut running: Running) -> Result<(), BoxError> {
        loop {
            let began = Instant::now();
            let Some(error) = failure(catch_panic(running).await) else {
                return Ok(());
            };
            match self.again(error, began.elapsed()).await? {
                Some(next) => running = next,
                None => return Ok(()),
            }
        }
    }

    /// The next that has started, after one has failed that ran for so long. `None` if the shutdown begins first.
    async fn again(
        &mut self,
        mut error: BoxError,
        mut ran: Duration,
    ) -> Result<Option<Running>, BoxError> {
        loop {
            if self.handle.is_shutting_down() {
                return Err(error);
            }
            let Some(pause) = self.backoff.failed(ran, jitter::random()) else {
                return Err(match self.backoff.in_a_row() {
                    0 => error,
                    n => {
                        let error = with_causes(&*error);
                        format!("restarted {n} times in a row, and failed again: {error}").into()
                    }
                });
            };
            let journal = self.handle.journal();
            journal.restarts(&self.name, with_causes(&*error), pause);
            tokio::select! {
                biased;
                () = self.handle.until_shutdown() => return Ok(None),
                () = tokio::time::sleep(pause) => {}
            }
            let started = catch_panic(async { self.start() }).await;
            match started {
                Ok(Ok(running)) => return Ok(Some(running)),
                Ok(Err(e)) => error = e.into(),
                Err(panic) => error = panicked(&*panic).into(),
            }
            ran = Duration::ZERO;
        }
    }

    fn start(&mut self) -> Result<Running, StartError> {
        let next = (self.make)();
        next.check()?;
        Box::new(next).start(Start {
            handle: &self.handle,
            lame_duck_min: self.lame_duck_min,
            #[cfg(unix)]
            sockets: &mut InheritedSockets::default(),
        })
    }
}

/// Why it has ended, unless it is done.
fn failure(ended: std::thread::Result<Result<(), BoxError>>) -> Option<BoxError> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(panic) => Some(panicked(&*panic).into()),
    }
}
