//! The thread of the admin port: it accepts until it is stopped, then ends within 100 ms.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{interval, sleep, timeout};

use super::connections::{Connections, asked};
use super::routes::Routes;
use crate::handle::Handle;
use crate::readiness::{Check, Readiness};

/// How long answers under way may take once the server is stopped.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// How long to wait after an error of `accept` that time may heal, such as too many open files.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// How often connections whose client does not read are looked for.
const ROUNDS: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted.
#[cfg(unix)]
const QUEUE: i32 = 1024;

/// How many connections are accepted before those already there get a turn, so that in a flood
/// whoever has sent a request is heard before the room is needed. Well below what tokio runs in one
/// turn (61), or the queue of tasks would grow.
const IN_A_ROW: usize = 16;

/// The most connections taken from the queue of a listener that is about to close.
const LAST_FROM_QUEUE: usize = 256;

/// The admin port at work. Dropping it stops it, without waiting.
pub(crate) struct Probes {
    addr: SocketAddr,
    routes: Arc<Routes>,
    runtime: runtime::Handle,
    stop: watch::Sender<bool>,
    /// Closed when the thread has ended.
    running: watch::Receiver<()>,
}

/// Starts to serve on a thread of its own; checks will run on `main`. The listener is bound
/// already, so that an address in use is told before anything else starts.
///
/// # Errors
///
/// Those of the system when it makes a thread or a poll of sockets.
pub(crate) fn start(
    listener: std::net::TcpListener,
    handle: Handle,
    main: runtime::Handle,
) -> io::Result<Probes> {
    let addr = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    // The standard library's queue holds 128; whoever finds it full tries again after 1 s, which is
    // too late for a probe.
    #[cfg(unix)]
    rustix::net::listen(&listener, QUEUE)?;
    let readiness = Readiness::new(main, handle.phases().clone());
    let routes = Arc::new(Routes::new(handle, readiness));
    let served = routes.clone();
    let (stop, stopped) = watch::channel(false);
    let (alive, running) = watch::channel(());
    let (started, outcome) = mpsc::channel();
    thread::Builder::new()
        .name("lameduck-probes".into())
        .spawn(move || {
            let _alive = alive;
            // Made here, because a runtime must not be dropped, as it would be after an error,
            // where another one is at work.
            let made = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .and_then(|runtime| {
                    let inside = runtime.enter();
                    let listener = TcpListener::from_std(listener)?;
                    drop(inside);
                    Ok((runtime, listener))
                });
            match made {
                Ok((runtime, listener)) => {
                    let _ = started.send(Ok(runtime.handle().clone()));
                    runtime.block_on(serve(listener, served, stopped));
                }
                Err(e) => drop(started.send(Err(e))),
            }
        })?;
    let runtime = outcome
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the probes' thread ended at once")))?;
    Ok(Probes {
        addr,
        routes,
        runtime,
        stop,
        running,
    })
}

impl Probes {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Start-up is over: from here on readiness depends on `checks` too, and `/drain` begins the
    /// shutdown if `drain_route`.
    pub(crate) fn complete(&self, checks: Vec<Check>, drain_route: bool) {
        self.routes.complete(checks, &self.runtime, drain_route);
    }

    /// Whether there should be traffic, as the probes say it.
    pub(crate) fn readiness(&self) -> &Arc<Readiness> {
        self.routes.readiness()
    }

    /// Stops accepting, gives answers under way at most 100 ms, and completes when the thread has
    /// ended. May be called again.
    ///
    /// # Cancel safety
    ///
    /// Once polled it has told the thread to stop, and dropping it changes nothing about that.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let mut running = self.running.clone();
        while running.changed().await.is_ok() {}
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("addr", &self.addr).finish()
    }
}

async fn serve(listener: TcpListener, routes: Arc<Routes>, mut stop: watch::Receiver<bool>) {
    let mut connections = Connections::new(routes, stop.clone());
    let mut rounds = interval(ROUNDS);
    let mut in_a_row = 0;
    loop {
        tokio::select! {
            biased;
            _ = asked(&mut stop) => break,
            _ = connections.ended() => {}
            _ = rounds.tick() => connections.close_stalled(),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.serve(stream, peer);
                    in_a_row += 1;
                    if in_a_row == IN_A_ROW {
                        in_a_row = 0;
                        yield_now().await;
                    }
                }
                Err(e) if is_of_one_connection(&e) => {}
                Err(e) => {
                    tracing::warn!(target: "lameduck", error = %e, "the admin port cannot accept");
                    sleep(PAUSE_AFTER_ERROR).await;
                }
            },
        }
    }
    // Who is already connected is still answered: closing a listener resets its queue.
    if let Ok(listener) = listener.into_std() {
        for _ in 0..LAST_FROM_QUEUE {
            let Ok((stream, peer)) = listener.accept() else {
                break;
            };
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = tokio::net::TcpStream::from_std(stream)
            {
                connections.serve(stream, peer);
            }
        }
    }
    // Those that are not done by then end with the runtime.
    let _ = timeout(LAST_ANSWERS, connections.all_ended()).await;
}

/// Whether `accept` failed because of the connection it took, not because of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
