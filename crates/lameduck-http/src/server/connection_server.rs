//! The server: takes connections, and sees that every one comes to its end.
//!
//! # What must hold
//!
//! 1. The server's future ends once the listener is closed and the list is empty. What is left in the last
//!    quarter of the time for letting go is cut, so that this is before it is dropped.
//! 2. Closing the listener runs beside the drain and costs it no time.
//! 3. No connection is cut before it was woken and had a turn to answer that the time is over.
//! 4. While there are no connections and no shutdown, nothing here wakes up.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection_task;
use super::service_source::ServiceSource;
use crate::connection::conn::{Conn, Order};
use crate::connection::connection_list::ConnectionList;
use crate::connection::pauses::PeerPauses;
use crate::connection::request_settings::RequestSettings;
use crate::connection::sweep::{self, All, Circumstances, Limits, judge};
use crate::connection::tunnel::Spawner;
use crate::listen::lossless_listener::LosslessListener;
use crate::listen::socket::Accepted;
use crate::opening::preamble::Preamble;
use lameduck_core::Handle;
use lameduck_core::internal::clock::Millis;
use lameduck_core::phase::Phase;

/// What the connections of one server share.
pub(crate) struct ConnectionServer {
    handle: Handle,
    settings: ServerSettings,
    lame_duck_min: Duration,
    connections: Arc<ConnectionList>,
    /// One for each connection that there may be beside those that there are.
    places: Arc<Semaphore>,
    pauses: Arc<PeerPauses>,
}

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerSettings {
    /// How long a peer may take.
    pub(crate) limits: Limits,
    /// How many connections there may be at a time.
    pub(crate) most_connections: usize,
    /// After how long without a byte the system sees whether the peer is still there.
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) of_requests: RequestSettings,
}

/// How often the sweep looks while something is being shut down.
const SWEEP_DRAINING: Duration = Duration::from_millis(10);

impl ConnectionServer {
    pub(crate) fn new(
        handle: Handle,
        settings: ServerSettings,
        lame_duck_min: Duration,
    ) -> Arc<ConnectionServer> {
        let most = settings.most_connections.min(Semaphore::MAX_PERMITS);
        Arc::new(ConnectionServer {
            handle,
            settings,
            lame_duck_min,
            connections: Arc::default(),
            places: Arc::new(Semaphore::new(most)),
            pauses: Arc::default(),
        })
    }

    /// Serves until the shutdown is over; see the module's doc.
    pub(crate) async fn run<A, Kind: 'static>(
        self: Arc<Self>,
        listener: LosslessListener,
        preamble: Preamble,
        protocol: auto::Builder<Spawner>,
        app: A,
    ) where
        A: ServiceSource<Kind>,
    {
        let protocol = Arc::new(protocol);
        let server = self.clone();
        let mut serve = move |accepted: Accepted, place: Option<OwnedSemaphorePermit>| {
            if let Some(idle) = server.settings.keep_alive {
                accepted.socket.keep_alive(idle);
            }
            let look = server.connections.look.clone();
            let conn = Arc::new(Conn::new(
                server.handle.clone(),
                server.pauses.clone(),
                look,
                server.settings.of_requests,
            ));
            // Before the task has its first turn, which may be after the drain has found the list empty.
            let listed = server.connections.enter(conn.clone(), place);
            tokio::spawn(connection_task::serve(
                accepted,
                conn,
                listed,
                protocol.clone(),
                preamble.clone(),
                app.clone(),
            ));
        };
        let listening = async {
            self.accept_until_draining(&listener, &mut serve).await;
            let bound = self.handle.left_until(self.handle.budget().drain_until());
            // Whoever waits in the queue by now is taken, however many there are.
            let serve = &mut serve;
            listener
                .close(bound, move |accepted| serve(accepted, None))
                .await;
        };
        let (listening_over, over) = tokio::sync::oneshot::channel::<()>();
        tokio::join!(
            async {
                listening.await;
                drop(listening_over);
            },
            self.sweep(over),
        );
    }

    async fn accept_until_draining(
        &self,
        listener: &LosslessListener,
        serve: &mut impl FnMut(Accepted, Option<OwnedSemaphorePermit>),
    ) {
        // Whoever uses this server from within the process still connects to it.
        let mut over = pin!(async {
            self.handle.until_draining().await;
            self.handle.until_unused().await;
        });
        loop {
            tokio::select! {
                biased;
                _ = &mut over => return,
                (place, accepted) = self.next(listener) => serve(accepted, place),
            }
        }
    }

    /// The next connection, once there is a place for it. Until then it waits in the kernel's queue.
    /// Cancel safe.
    async fn next(&self, listener: &LosslessListener) -> (Option<OwnedSemaphorePermit>, Accepted) {
        // Never closed, so there is always one.
        let place = self.places.clone().acquire_owned().await.ok();
        (place, listener.accept().await)
    }

    /// Looks at every connection from time to time until all are gone after the shutdown.
    async fn sweep(&self, mut listening_over: tokio::sync::oneshot::Receiver<()>) {
        let mut lame_duck_since = None;
        let mut listening = true;
        let mut lame_duck = pin!(self.handle.until_lame_duck());
        let mut let_go = pin!(self.handle.until_drain_deadline());
        let mut told_let_go = false;
        let mut busy_until = None;
        loop {
            let all_gone = self.connections.empty.notified();
            let now = Instant::now();
            if self.handle.phase() >= Phase::LameDuck && lame_duck_since.is_none() {
                lame_duck_since = Some(now);
            }
            // Asked once: whoever is not told in this look is told in the next.
            let letting_go = self.handle.is_past_drain_deadline();
            // Never in the look that tells them: however late this is, each has a turn to answer.
            let over = told_let_go
                && self
                    .handle
                    .left_until(self.handle.budget().cut_from())
                    .is_zero();
            let lasted = lame_duck_since.map_or(Duration::ZERO, |since| now - since);
            let mut circumstances = self.circumstances(lasted);
            if circumstances.others_busy {
                busy_until = Some(circumstances.now);
            }
            circumstances.busy_until = busy_until;
            let looked = self.look(circumstances, over, letting_go && !told_let_go);
            told_let_go = letting_go;
            if looked.connections == 0 && (over || !listening) {
                return;
            }
            if over {
                // What is cut is ended by its own task, so that it does not look whole.
                let left = self.handle.left_until(self.handle.budget().let_go_until());
                let _ = tokio::time::timeout(left, all_gone).await;
                return;
            }
            let pause = match lame_duck_since {
                None => looked.due,
                Some(_) => SWEEP_DRAINING,
            };
            let asleep = looked.connections == 0 && lame_duck_since.is_none();
            tokio::select! {
                _ = &mut lame_duck, if lame_duck_since.is_none() => {}
                _ = &mut let_go, if !told_let_go => {}
                _ = &mut listening_over, if listening => listening = false,
                _ = all_gone, if !listening => {}
                () = self.connections.look.notified() => {}
                // With nobody to look at it sleeps until somebody comes.
                () = tokio::time::sleep(pause), if !asleep => {}
            }
        }
    }

    /// One look at every connection.
    fn look(&self, mut circumstances: Circumstances, cut: bool, wake: bool) -> SweepResult {
        if circumstances.asks_for_all() {
            let all = &mut circumstances.all;
            *all = All::since(self.connections.last_byte_of_gone());
            self.connections.each(|_, conn| all.add(&conn.snapshot()));
        }
        let mut due = self.settings.limits.shortest();
        let connections = self.connections.each(|nth, conn| {
            let it = conn.snapshot();
            match judge(&it, nth, &circumstances) {
                _ if cut => conn.give(Order::Cut),
                Order::Serve => {}
                order => conn.give(order),
            }
            due = due.min(sweep::due(&it, circumstances.now, &self.settings.limits));
            // Whoever reads nothing while it answers looks for its peer when it is woken.
            if wake || it.half_closed.is_some() {
                conn.waker.wake();
            }
        });
        SweepResult { connections, due }
    }

    fn circumstances(&self, lame_duck_for: Duration) -> Circumstances {
        let now = Millis::now();
        Circumstances {
            now,
            phase: self.handle.phase(),
            begun: self.handle.begun_for().map(|it| now.before(it)),
            lame_duck_for,
            lame_duck_min: self.lame_duck_min,
            // If something waits for this server to end, then it must not wait for that.
            others_busy: !self.handle.is_waited_for() && !self.handle.ledger().is_empty(),
            busy_until: None,
            in_a_hurry: self.handle.is_past_drain_deadline() || self.handle.is_hurried(),
            turnaround: self.pauses.turnaround.longest(),
            first_byte: self.pauses.first_byte.longest(),
            limits: self.settings.limits,
            all: All::default(),
        }
    }
}

/// What a look came to.
struct SweepResult {
    /// How many connections there are.
    connections: usize,
    /// When to look again while the process serves.
    due: Duration,
}
