//! WebSockets (RFC 6455) that are in the ledger from the upgrade on and get a proper goodbye.
//!
//! ```no_run
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, response::IntoResponse, routing::any};
//! use lameduck_http::websocket::{WebSocket, WebSocketUpgrade};
//!
//! async fn ws(upgrade: WebSocketUpgrade) -> impl IntoResponse {
//!     upgrade.on_upgrade(echo)
//! }
//!
//! async fn echo(mut socket: WebSocket) {
//!     while let Some(Ok(message)) = socket.recv().await {
//!         if socket.send(message).await.is_err() {
//!             return;
//!         }
//!     }
//! }
//!
//! let app: Router = Router::new().route("/ws", any(ws));
//! # }
//! ```
//!
//! That is all there is to do. Code for `axum::extract::ws` needs another `use` line and no more: the types have the
//! same names and shapes here, but for the error, which is [`WebSocketError`] and not `axum::Error`.
//! When the shutdown drains, each socket gets a Close frame with 1001
//! "Going Away" (RFC 6455, 7.4.1), or 1012 "Service Restart" by setting, and a reason; not all at
//! once, but [spread out](WebSockets#the-pace), so that the clients do not all come back at once.
//! The closing handshake follows (7.1.2), then the server closes the connection first, as it should
//! (7.1.1).
//!
//! # What must hold
//!
//! 1. A socket is in the ledger, as `websocket` and by its path, from the moment its upgrade is
//!    agreed to until its connection has ended *and* the application is done with it.
//! 2. The Close frame goes out between messages, never within one, and whether the application is
//!    looking at the socket or not.
//! 3. What the peer has sent before its own Close reaches the application, if that reads.
//! 4. A peer holds a socket that is being closed for no longer than the
//!    [closing time](WebSockets::closing) after the last sign of life, and never past the drain.
//! 5. All Close frames are out when at most half of the time that the drain had is over.
//!
//! 6. A peer that is gone is given up, shutdown or not, and told apart from one that has been seen off.
//!
//! # Who closes
//!
//! The task that runs the handler also waits for the socket's turn, beside the handler and whatever
//! that is doing; so a handler that waits for something else holds no Close up, and a socket costs
//! no second task; nor do [pings](WebSockets::ping_interval), whose timer is in the same task (`keepalive.rs`). Both reach the connection through one lock (`shared_socket.rs`). The turns are given by
//! one task for the whole process (`closing/pacer.rs`), by a plan that is plain arithmetic (`closing/close_plan.rs`).
//!
//! # What is not there
//!
//! WebSockets over HTTP/2 (RFC 8441), and extensions such as compression (RFC 7692).

pub mod close_code;
mod closing;
mod component;
mod counted_stream;
mod error;
mod keepalive;
mod message;
mod settings;
mod shared_socket;
mod socket;
#[cfg(test)]
mod tests;
mod upgrade;

pub use self::error::WebSocketError;
pub use self::message::{CloseCode, CloseFrame, Message, Utf8Bytes};
pub use self::settings::WebSockets;
pub use self::socket::WebSocket;
pub use self::upgrade::upgrade_error::UpgradeError;
pub use self::upgrade::websocket_upgrade::WebSocketUpgrade;

/// The kind under which a socket is in the ledger.
pub(crate) const WEBSOCKET: &str = "websocket";
