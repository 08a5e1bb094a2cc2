//! The thread of the admin port: it accepts until it is stopped, then ends within 100 ms.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{interval, sleep, timeout};

use tracing::Level;

use super::connections::{self, Connections, asked};
use super::routes::Routes;
use crate::listen::accept_error::AcceptErrorKind;
use crate::system::descriptors::{PAUSE, exhausted, keep_spare, with_spare};
use lameduck_core::Handle;
use lameduck_core::internal::voice;

/// How long answers under way may take once the server is stopped.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// How often connections whose client does not read are looked for, and descriptors kept spare.
const ROUNDS: Duration = Duration::from_secs(5);

/// How many connections are accepted before those already there get a turn, so that in a flood
/// whoever has sent a request is heard before the room is needed. Well below what tokio runs in one
/// turn (61), or the queue of tasks would grow.
const IN_A_ROW: usize = 16;

/// The most connections taken from the queue of a listener that is about to close.
const LAST_FROM_QUEUE: usize = 256;

/// The admin port at work. Dropping it stops it, without waiting.
pub(crate) struct RunningProbes {
    addrs: Vec<SocketAddr>,
    routes: Arc<Routes>,
    runtime: runtime::Handle,
    stop: watch::Sender<bool>,
    /// Closed when the thread has ended.
    running: watch::Receiver<()>,
}

/// Starts to serve on a thread of its own. The listeners are bound
/// already, so that an address in use is told before anything else starts.
///
/// # Errors
///
/// Those of the system when it makes a thread or a poll of sockets.
pub(crate) fn start(
    listeners: Vec<std::net::TcpListener>,
    handle: Handle,
) -> io::Result<RunningProbes> {
    let addrs = listeners
        .iter()
        .map(|it| it.local_addr())
        .collect::<io::Result<_>>()?;
    keep_spare();
    let most = connections::most();
    let routes = Arc::new(Routes::new(handle, most));
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
                    let listeners = listeners.into_iter().map(TcpListener::from_std);
                    let listeners = listeners.collect::<io::Result<_>>()?;
                    drop(inside);
                    Ok((runtime, listeners))
                });
            match made {
                Ok((runtime, listeners)) => {
                    let _ = started.send(Ok(runtime.handle().clone()));
                    runtime.block_on(serve(
                        Connections::new(served, most, stopped.clone()),
                        listeners,
                        stopped,
                    ));
                }
                Err(e) => drop(started.send(Err(e))),
            }
        })?;
    let runtime = outcome
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the probes' thread ended at once")))?;
    Ok(RunningProbes {
        addrs,
        routes,
        runtime,
        stop,
        running,
    })
}

impl RunningProbes {
    /// Where it listens.
    pub(crate) fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// A runtime that keeps time while the application's is blocked.
    pub(crate) fn clock(&self) -> &runtime::Handle {
        &self.runtime
    }

    /// Start-up is over: from here on `/drain` begins the shutdown if `drain_route`.
    pub(crate) fn complete(&self, drain_route: bool) {
        self.routes.complete(drain_route);
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

impl fmt::Debug for RunningProbes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningProbes")
            .field("addrs", &self.addrs)
            .finish()
    }
}

async fn serve(
    mut connections: Connections,
    listeners: Vec<TcpListener>,
    mut stop: watch::Receiver<bool>,
) {
    let mut rounds = interval(ROUNDS);
    let mut in_a_row = 0;
    loop {
        tokio::select! {
            biased;
            _ = asked(&mut stop) => break,
            _ = connections.ended() => keep_spare(),
            _ = rounds.tick() => {
                connections.close_stalled();
                keep_spare();
            }
            accepted = next(&listeners) => match accepted {
                Ok((stream, peer)) => {
                    connections.serve(stream, peer);
                    in_a_row += 1;
                    if in_a_row == IN_A_ROW {
                        in_a_row = 0;
                        yield_now().await;
                    }
                }
                Err(e) if exhausted(&e) => match waiting(&listeners).map(accept_at_once) {
                    Some(Ok((stream, peer))) => connections.serve(stream, peer),
                    Some(Err(_)) if connections.make_room() => {
                        let _ = timeout(PAUSE, connections.ended()).await;
                    }
                    // Asked for one more, the system says so also where nobody waits.
                    _ => sleep(PAUSE).await,
                },
                Err(e) => match AcceptErrorKind::of(&e, || true) {
                    // A pause all the same, in case it comes without end.
                    AcceptErrorKind::OneConnection => sleep(Duration::from_millis(1)).await,
                    _ => {
                        voice::event(Level::WARN, move || {
                            tracing::warn!(target: "lameduck", error = %e, "the admin port cannot accept");
                        });
                        sleep(PAUSE).await;
                    }
                },
            },
        }
    }
    // Who is already connected is still answered: closing a listener resets its queue.
    for listener in listeners.into_iter().flat_map(TcpListener::into_std) {
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

/// One of them at which somebody waits.
fn waiting(listeners: &[TcpListener]) -> Option<&TcpListener> {
    #[cfg(unix)]
    return listeners.iter().find(|it| {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let now = Timespec::default();
        let mut look = [PollFd::new(*it, PollFlags::IN)];
        matches!(poll(&mut look, Some(&now)), Ok(1..))
    });
    #[cfg(not(unix))]
    listeners.first()
}

/// Takes who waits there, with a spare descriptor if need be. Asks the system itself, because somebody
/// else may take what is given back in the time that the runtime takes.
fn accept_at_once(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = with_spare(|| socket2::SockRef::from(listener).accept())?;
    socket.set_nonblocking(true)?;
    let peer = peer
        .as_socket()
        .unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
    Ok((TcpStream::from_std(socket.into())?, peer))
}

/// The next connection at any of them. Cancel safe.
async fn next(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}
