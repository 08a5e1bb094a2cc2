//! An HTTP/1.1 and HTTP/2 server for any tower service, that loses no request when it stops.
//!
//! | room | what is in it |
//! |---|---|
//! | [`component`] | its settings, and its place in a lifecycle |
//! | [`server`] | the accept loop, and the sweep's rounds |
//! | [`listener`], [`half_open`] | sockets that listen, and how to stop without a reset |
//! | [`handed_over`] | such a socket for servers that are not ours |
//! | [`connection`], [`linger`] | one connection's task, and how it says goodbye |
//! | [`request`], [`body`], [`in_flight`] | one request and its response, in the ledger |
//! | [`broken`], [`unread`] | a body that panics or fails, and what hyper holds of one |
//! | [`source`] | where the service of a connection comes from |
//! | [`facts`], [`connection_info`] | who is at the ends of a connection, for handlers |
//! | `for_axum`, `for_tonic` | the same for the extractors of those two |
//! | [`extension`] | how a handler finds the shutdown |
//! | [`grpc`] | what the server itself says to a gRPC client |
//! | `grpc_health` | the health service of gRPC |
//! | [`events`], [`ending`] | the end of an event stream |
//! | [`sweep`], [`pace`] | who is closed when, by how long peers pause |
//! | [`roster`], [`conn`] | all connections, and what is known of one: its state and what moves it |
//! | [`tap`], [`stream`], [`socket`] | the bytes, and the tap that notes them |
//! | [`tunnel`] | tunnels over HTTP/2 |
//! | `tls` | TLS between the socket and the tap |
//! | [`layer`] | the same bookkeeping for servers that are not ours |

/// The kind under which a request is in the ledger.
pub(crate) const REQUEST: &str = "request";

/// The kind under which a request is counted as ended whose client went away before it had its whole
/// response.
pub(crate) const CLIENT_GONE: &str = "request (client gone)";

/// The same for one whose response broke by a fault of the application's.
pub(crate) const BROKEN: &str = "request (broken)";

/// Marks an upgrade that has an entry of its own in the ledger already.
#[derive(Clone, Copy)]
pub(crate) struct Accounted;

mod answering;
mod body;
mod broken;
pub(crate) mod component;
mod conn;
mod connection;
pub(crate) mod connection_info;
mod ending;
pub(crate) mod events;
pub(crate) mod extension;
pub(crate) mod facts;
#[cfg(feature = "axum")]
pub(crate) mod for_axum;
#[cfg(feature = "tonic")]
mod for_tonic;
mod grpc;
#[cfg(feature = "tonic-health")]
pub(crate) mod grpc_health;
#[cfg(target_os = "linux")]
mod half_open;
pub(crate) mod handed_over;
mod in_flight;
pub(crate) mod layer;
mod linger;
pub(crate) mod listener;
mod pace;
mod request;
mod roster;
pub(crate) mod server;
mod socket;
pub(crate) mod source;
mod stream;
mod sweep;
mod tap;
#[cfg(feature = "rustls")]
pub(crate) mod tls;
mod tunnel;
mod unread;
