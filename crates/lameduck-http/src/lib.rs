//! An HTTP/1.1 and HTTP/2 server for any tower service, that loses no request when it stops.
//!
//! | room | what is in it |
//! |---|---|
//! | [`component`] | its settings, and its place in a lifecycle |
//! | [`server`] | the accept loop, and the sweep's rounds |
//! | [`listener`], [`half_open`] | sockets that listen, and how to stop without a reset |
//! | [`handed_over`], [`giver`] | such a socket for servers that are not ours |
//! | [`preamble`], `heard` | what comes before HTTP |
//! | `proxy_protocol`, `proxy_header` | for whom a proxy has made a connection |
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

/// Marks an upgrade that has an entry of its own in the ledger already.
#[derive(Clone, Copy)]
pub(crate) struct Accounted;

mod accept;
mod answering;
mod bind;
mod body;
mod broken;
mod component;
mod conn;
mod connection;
mod connection_info;
mod descriptors;
#[doc(hidden)]
pub mod doc;
mod draining;
mod ending;
mod events;
mod extension;
mod facts;
#[cfg(feature = "axum")]
mod for_axum;
#[cfg(feature = "tonic")]
mod for_tonic;
mod giver;
mod grpc;
#[cfg(feature = "tonic-health")]
mod grpc_health;
#[cfg(target_os = "linux")]
mod half_open;
mod handed_over;
#[cfg(any(feature = "rustls", feature = "proxy-header"))]
mod heard;
mod in_flight;
mod layer;
mod linger;
mod listener;
mod pace;
mod preamble;
mod probe;
#[cfg(feature = "proxy-header")]
mod proxy_header;
#[cfg(feature = "proxy-header")]
mod proxy_protocol;
mod request;
mod roster;
mod server;
mod socket;
mod source;
mod stream;
mod sweep;
mod sys;
mod tap;
#[cfg(feature = "rustls")]
mod tls;
mod tunnel;
mod unread;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use bind::Bind;
pub use component::Http;
pub use connection_info::ConnectionInfo;
pub use draining::{Draining, NoHandle};
pub use events::{EndsItself, EventStreams};
pub use facts::Endpoint;
#[cfg(feature = "axum")]
pub use for_axum::NoConnectionInfo;
#[cfg(feature = "tonic-health")]
pub use grpc_health::{GrpcHealth, Watch as GrpcHealthWatch, grpc_health};
pub use handed_over::Listener;
pub use layer::{Track, TrackBody, TrackBodyError, TrackFuture, TrackLayer};
pub use probe::Probes;
#[cfg(feature = "proxy-header")]
pub use proxy_protocol::{BadSource, ProxyProtocol};
pub use source::{ServicePerConnection, ServiceSource, SharedService};
#[cfg(feature = "rustls")]
pub use tls::Tls;
