//! Sees one socket off: waits until it is to go, says goodbye, hears the peer's, ends the connection.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use tracing::Level;

use super::pacer::Turn;
use super::pacer::sockets_of;
use crate::websocket::close_code;
use crate::websocket::keepalive::{Keepalive, KeepaliveStep, PeerLiveness};
use crate::websocket::message::{CloseFrame, Utf8Bytes};
use crate::websocket::settings::WebSockets;
use crate::websocket::shared_socket::{Closed, SharedSocket};
use lameduck_core::Handle;
use lameduck_core::inflight::Guard;
use lameduck_core::internal::jitter::random;
use lameduck_core::internal::voice;

/// How long a peer may take for its FIN after ours: 1 s.
const FIN: Duration = Duration::from_secs(1);

/// Why nobody needs a socket.
#[derive(Clone, Copy, Debug)]
enum Unneeded {
    Gone,
    Idle,
}

/// How one socket ends.
pub(in crate::websocket) struct ClosingHandshake<'a> {
    pub(in crate::websocket) shared: &'a SharedSocket,
    pub(in crate::websocket) turn: &'a Turn,
    pub(in crate::websocket) handle: &'a Handle,
    /// What has it in the ledger.
    pub(in crate::websocket) guard: &'a Guard,
    /// What this socket has of its own.
    pub(in crate::websocket) keepalive: Option<Keepalive>,
}

/// What became of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::websocket) enum PeerOutcome {
    SeenOff,
    /// It answered no ping.
    Gone,
}

impl ClosingHandshake<'_> {
    /// Returns when the connection has ended. Dropped, it leaves the connection as it is.
    pub(in crate::websocket) async fn see_off(&self) -> PeerOutcome {
        let over = poll_fn(|cx| self.shared.poll_over(cx));
        let idle = tokio::select! {
            biased;
            () = over => false,
            () = self.turn.comes() => false,
            unneeded = self.unneeded() => match unneeded {
                Unneeded::Idle => true,
                Unneeded::Gone => {
                    // There is nobody to say goodbye to.
                    drop(self.shared.give_up());
                    return PeerOutcome::Gone;
                }
            },
        };
        // Apart, so that a socket that is open does not have the room for its end.
        Box::pin(self.close(idle)).await;
        PeerOutcome::SeenOff
    }

    /// Says goodbye, hears the peer's, ends the connection.
    async fn close(&self, idle: bool) {
        let settings = sockets_of(self.handle).settings();
        let left = self.handle.left_until(self.handle.budget().drain_until());
        let until = Instant::now() + left / 4 * 3;
        let closing = settings.closing.min(left / 4 * 3);
        if self.turn.has_come() && self.turn.is_awaited() {
            // It has something to say first, and is done when it lets go or says Close itself.
            let over = poll_fn(|cx| self.shared.poll_over(cx));
            let _ = timeout(closing, over).await;
        }
        match self
            .handshake(&self.goodbye(&settings, idle), closing, until)
            .await
        {
            Some(Closed::Both) => self.end(true).await,
            Some(Closed::Broken) => drop(self.shared.take()),
            None => {
                if self.shared.close_is_out() {
                    // All that is ours to do has been done (RFC 6455, 7.1.1). A phone that sleeps is
                    // no reason for a deploy to fail.
                    voice::event(Level::DEBUG, || {
                        tracing::debug!(target: "lameduck", "a WebSocket did not answer the Close frame");
                    });
                } else if self.handle.is_shutting_down() {
                    let why = format!(
                        "did not take what was sent to it, nor a Close frame, in {closing:?}"
                    );
                    self.handle.journal().cut(&self.guard.entry(), &why);
                }
                self.end(false).await;
            }
        }
    }

    /// Completes when the socket is of no use to anybody, shutdown or not.
    async fn unneeded(&self) -> Unneeded {
        let keepalive = match self.keepalive {
            Some(it) => it,
            None => sockets_of(self.handle).settings().keepalive,
        };
        if keepalive.is_off() {
            return pending().await;
        }
        let mut pulse = PeerLiveness::new(keepalive, Instant::now(), random());
        loop {
            let mut look = pulse.look(Instant::now(), self.shared.counts());
            if look == KeepaliveStep::Gone {
                // Perhaps it is the application that does not read.
                self.shared.read_ahead();
                look = pulse.look(Instant::now(), self.shared.counts());
            }
            match look {
                KeepaliveStep::Again(at) => sleep_until(at).await,
                KeepaliveStep::Ping => self.shared.ping(),
                KeepaliveStep::Gone => return Unneeded::Gone,
                KeepaliveStep::Idle => return Unneeded::Idle,
            }
        }
    }

    fn goodbye(&self, settings: &WebSockets, idle: bool) -> CloseFrame {
        match self.shared.overriding_code() {
            Some(code) => CloseFrame::with_code(code),
            None if self.turn.has_come() => settings.goodbye(),
            None if idle => CloseFrame {
                code: close_code::NORMAL,
                reason: Utf8Bytes::from_static("idle"),
            },
            // The application is done, and nobody told it to be.
            None => CloseFrame::with_code(close_code::NORMAL),
        }
    }

    /// `None` if the peer has shown no sign of life for the time that it may take.
    async fn handshake(
        &self,
        goodbye: &CloseFrame,
        closing: Duration,
        until: Instant,
    ) -> Option<Closed> {
        // Our own frame going out is no sign of life.
        let first = poll_fn(|cx| Poll::Ready(self.shared.poll_close(goodbye, cx))).await;
        if let Poll::Ready(closed) = first {
            return Some(closed);
        }
        let mut before = self.shared.signs_of_life();
        let mut look = pin!(sleep(closing));
        loop {
            tokio::select! {
                biased;
                closed = poll_fn(|cx| self.shared.poll_close(goodbye, cx)) => return Some(closed),
                () = &mut look => {}
            }
            let (now, signs) = (Instant::now(), self.shared.signs_of_life());
            if signs == before || now >= until {
                return None;
            }
            before = signs;
            look.as_mut().reset(until.min(now + closing));
        }
    }

    /// The server ends the connection first (RFC 6455, 7.1.1). One whose peer has said Close is read
    /// to the peer's FIN: closing a socket with unread bytes would be a reset.
    async fn end(&self, read: bool) {
        let Some(mut io) = self.shared.take() else {
            return;
        };
        let ended = async {
            io.shutdown().await?;
            let mut sink = [0; 256];
            while read && io.read(&mut sink).await? > 0 {}
            std::io::Result::Ok(())
        };
        // Whoever is gone already is gone.
        let _ = timeout(FIN, ended).await;
    }
}
