//! The server: takes connections, and sees that every one comes to its end.
//!
//! # What must hold
//!
//! 1. The server's future ends once the listener is closed and the list is empty, or shortly after
//!    the time for letting go is over.
//! 2. Closing the listener runs beside the drain and costs it no time.
//! 3. No connection is cut before it was woken and had a turn to answer that the time is over.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio::time::Instant;
use tower_service::Service;

use super::conn::{Conn, Order};
use super::connection;
use super::events::EventStreams;
use super::listener::{Listener, exhausted};
use super::pace::Pace;
use super::roster::Roster;
use super::socket::Socket;
use super::stream::Opening;
use super::sweep::{Circumstances, judge};
use crate::clock::Millis;
use crate::component::BoxError;
use crate::handle::Handle;
use crate::phase::Phase;

/// What the connections of one server share.
pub(crate) struct Server {
    handle: Handle,
    limits: Limits,
    event_streams: EventStreams,
    lame_duck_min: Duration,
    roster: Arc<Roster>,
    pace: Arc<Pace>,
}

/// How long a peer may take.
pub(crate) struct Limits {
    /// For the head of a request.
    pub(crate) head: Duration,
    /// For a TLS handshake.
    pub(crate) handshake: Duration,
}

/// How often the sweep looks while nothing is being shut down, and while something is.
const SWEEP_SERVING: Duration = Duration::from_secs(1);
const SWEEP_DRAINING: Duration = Duration::from_millis(10);

impl Server {
    pub(crate) fn new(
        handle: Handle,
        limits: Limits,
        event_streams: EventStreams,
        lame_duck_min: Duration,
    ) -> Arc<Server> {
        Arc::new(Server {
            handle,
            limits,
            event_streams,
            lame_duck_min,
            roster: Arc::default(),
            pace: Arc::default(),
        })
    }

    /// Serves until the shutdown is over; see the module's doc.
    pub(crate) async fn run<S, B>(self: Arc<Self>, listener: Listener, opening: Opening, service: S)
    where
        S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let protocol = Arc::new(auto::Builder::new(TokioExecutor::new()));
        let server = self.clone();
        let mut serve = move |socket: Socket| {
            server.handle.arrived(Millis::now());
            let conn = Arc::new(Conn::new(server.handle.clone(), server.pace.clone()));
            let roster = server.roster.clone();
            tokio::spawn(connection::serve(
                socket,
                conn,
                roster,
                protocol.clone(),
                opening.clone(),
                service.clone(),
                server.event_streams,
            ));
        };
        let listening = async {
            self.accept_until_draining(&listener, &mut serve).await;
            let bound = self.handle.left_until(self.handle.budget().drain_until());
            listener.close(bound, &mut serve).await;
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

    async fn accept_until_draining(&self, listener: &Listener, serve: &mut impl FnMut(Socket)) {
        // Whoever uses this server from within the process still connects to it.
        let mut over = pin!(async {
            self.handle.draining().await;
            self.handle.no_longer_used().await;
        });
        loop {
            tokio::select! {
                biased;
                _ = &mut over => return,
                accepted = listener.accept() => match accepted {
                    Ok(socket) => serve(socket),
                    Err(error) if exhausted(&error) => {
                        tracing::warn!(target: "lameduck", %error, "cannot accept, trying again");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    // The peer was gone before we came to it.
                    Err(error) => tracing::debug!(target: "lameduck", %error, "accept"),
                },
            }
        }
    }

    /// Looks at every connection from time to time until all are gone after the shutdown.
    async fn sweep(&self, mut listening_over: tokio::sync::oneshot::Receiver<()>) {
        let mut lame_duck_since = None;
        let mut listening = true;
        let mut lame_duck = pin!(self.handle.lame_duck());
        let mut let_go = pin!(self.handle.let_go());
        let mut told_let_go = false;
        loop {
            let all_gone = self.roster.empty.notified();
            let now = Instant::now();
            if self.handle.phase() >= Phase::LameDuck && lame_duck_since.is_none() {
                lame_duck_since = Some(now);
            }
            // Never in the look that tells them: however late this is, each has a turn to answer.
            let over = told_let_go
                && self
                    .handle
                    .left_until(self.handle.budget().let_go_until())
                    .is_zero();
            let lasted = lame_duck_since.map_or(Duration::ZERO, |since| now - since);
            let left = self.look(lasted, over, self.handle.is_letting_go() && !told_let_go);
            told_let_go = self.handle.is_letting_go();
            if over || (left == 0 && !listening) {
                return;
            }
            let pause = match lame_duck_since {
                None => SWEEP_SERVING,
                Some(_) => SWEEP_DRAINING,
            };
            tokio::select! {
                _ = &mut lame_duck, if lame_duck_since.is_none() => {}
                _ = &mut let_go, if !told_let_go => {}
                _ = &mut listening_over, if listening => listening = false,
                _ = all_gone, if !listening => {}
                _ = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One look at every connection. Returns how many there are.
    fn look(&self, lame_duck_for: Duration, cut: bool, wake: bool) -> usize {
        let circumstances = self.circumstances(lame_duck_for);
        self.roster.each(|nth, conn| {
            match judge(conn, nth, &circumstances) {
                _ if cut => conn.give(Order::Cut),
                Order::Serve => {}
                order => conn.give(order),
            }
            if wake {
                conn.bell.ring();
            }
        })
    }

    fn circumstances(&self, lame_duck_for: Duration) -> Circumstances {
        Circumstances {
            now: Millis::now(),
            phase: self.handle.phase(),
            lame_duck_for,
            lame_duck_min: self.lame_duck_min,
            // If something waits for this server to end, then it must not wait for that.
            others_busy: !self.handle.is_waited_for() && !self.handle.ledger().is_empty(),
            in_a_hurry: self.handle.is_letting_go() || self.handle.is_hurried(),
            turnaround: self.pace.turnaround.longest(),
            first_byte: self.pace.first_byte.longest(),
            head_timeout: self.limits.head,
            handshake_timeout: self.limits.handshake,
        }
    }
}
