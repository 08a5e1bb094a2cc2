//! One socket's task, from the upgrade that was agreed to until nobody needs the socket any more.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::HeaderValue;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use tracing::Level;

use crate::websocket::closing::closing_handshake::{ClosingHandshake, PeerOutcome};
use crate::websocket::closing::pacer::ProcessSockets;
use crate::websocket::counted_stream::CountedStream;
use crate::websocket::keepalive::Keepalive;
use crate::websocket::shared_socket::SharedSocket;
use crate::websocket::socket::WebSocket;
use crate::websocket::{WEBSOCKET, WebSocketError};
use lameduck_core::Handle;
use lameduck_core::inflight::Guard;
use lameduck_core::inflight::kind::WEBSOCKET_GONE;
use lameduck_core::internal::catch_panic;
use lameduck_core::internal::panic_text;
use lameduck_core::internal::voice;

/// What the application does if there is no socket after all.
pub(in crate::websocket) type Failed = Box<dyn FnOnce(WebSocketError) + Send>;

/// What a socket's task needs to know. In a box, since each future through which it goes has room for it.
pub(in crate::websocket) struct SocketTask {
    pub(in crate::websocket) handle: Handle,
    /// Has it in the ledger.
    pub(in crate::websocket) guard: Guard,
    pub(in crate::websocket) config: WebSocketConfig,
    pub(in crate::websocket) protocol: Option<HeaderValue>,
    pub(in crate::websocket) last: bool,
    /// What it has of its own.
    pub(in crate::websocket) keepalive: Option<Keepalive>,
}

impl SocketTask {
    /// From the upgrade on.
    pub(in crate::websocket) async fn after<F, Fut>(
        self: Box<Self>,
        upgrade: OnUpgrade,
        failed: Option<Failed>,
        handler: F,
    ) where
        F: FnOnce(WebSocket) -> Fut,
        Fut: Future<Output = ()>,
    {
        let handle = self.handle.clone();
        let life = async {
            match upgrade.await {
                Ok(upgraded) => {
                    self.over(CountedStream::new(TokioIo::new(upgraded)), handler)
                        .await
                }
                Err(error) => match failed {
                    Some(failed) => failed(WebSocketError::Io(io::Error::other(error))),
                    None => voice::event(Level::DEBUG, move || {
                        tracing::debug!(target: "lameduck", %error, "not upgraded");
                    }),
                },
            }
        };
        // Whoever is let go is cut where it stands, and the handler with it.
        tokio::select! {
            biased;
            () = life => {}
            () = handle.until_drain_deadline() => {}
        }
    }

    /// Over a connection that speaks WebSocket.
    pub(in crate::websocket) async fn over<F, Fut>(self: Box<Self>, io: CountedStream, handler: F)
    where
        F: FnOnce(WebSocket) -> Fut,
        Fut: Future<Output = ()>,
    {
        let ws = WebSocketStream::from_raw_socket(io, Role::Server, Some(self.config)).await;
        let shared = Arc::new(SharedSocket::new(ws));
        let place = ProcessSockets::enter(&self.handle, self.last);
        let socket = WebSocket::new(shared.clone(), place.turn.clone(), self.protocol.clone());
        let closing = ClosingHandshake {
            shared: &shared,
            turn: &place.turn,
            handle: &self.handle,
            guard: &self.guard,
            keepalive: self.keepalive,
        };
        let ((), peer) = tokio::join!(self.handle_it(&shared, handler, socket), closing.see_off());
        // The handler may have given the socket to somebody else.
        poll_fn(|cx| shared.poll_abandoned(cx)).await;
        if peer == PeerOutcome::Gone {
            self.guard.end_as(WEBSOCKET_GONE);
        }
    }

    async fn handle_it<F, Fut>(&self, shared: &SharedSocket, handler: F, socket: WebSocket)
    where
        F: FnOnce(WebSocket) -> Fut,
        Fut: Future<Output = ()>,
    {
        let mut handling = pin!(async { handler(socket).await });
        if let Err(panic) = catch_panic(handling.as_mut()).await {
            shared.panicked();
            let name = self.guard.entry().name;
            let text = panic_text(&*panic);
            self.handle.journal().panicked(WEBSOCKET, name, text);
        }
    }
}
