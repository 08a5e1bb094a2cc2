#![doc = include_str!("../README.md")]
//!
//! | who has | takes |
//! |---|---|
//! | a tower service | [`Http`], which is a component of a lifecycle |
//! | a server of his own | [`Listener`] in place of its socket, [`TrackLayer`] around its service |
//! | WebSockets | `websocket`, on either |
//! | event streams | nothing: they end between two events; [`EventStreams`] has the settings |
//! | handlers that wait for long | [`Draining`] |
//! | an orchestrator that asks | [`Probes`]; `grpc_health` for gRPC |
//!
//! # Features
//!
//! Nothing is on by default.
//!
//! | feature | brings |
//! |---|---|
//! | `axum` | extractors; axum's `ConnectInfo` with [`Http`]; [`Listener`] for `axum::serve` |
//! | `proxy-header` | the client's address from the header of a proxy: `ProxyProtocol` |
//! | `rustls` | TLS: `Http::tls`, `Tls`, with the provider of cryptography that the process has installed |
//! | `rustls-ring` | the same, with `ring` if it has installed none |
//! | `tonic` | `tonic::Request::remote_addr` and `peer_certs` with [`Http`] |
//! | `tonic-health` | the health service of gRPC: `grpc_health` |
//! | `websocket` | WebSockets that are closed in order |
#![cfg_attr(docsrs, feature(doc_cfg))]

/// Marks an upgrade that has an entry of its own in the ledger already.
#[derive(Clone, Copy)]
pub(crate) struct Accounted;

mod accept;
mod answering;
mod bind;
mod body;
mod broken;
mod checks;
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
mod probers;
mod protocol;
#[cfg(feature = "proxy-header")]
mod proxy_header;
#[cfg(feature = "proxy-header")]
mod proxy_protocol;
mod request;
mod request_name;
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
pub use facts::ConnectionAddr;
#[cfg(feature = "axum")]
pub use for_axum::NoConnectionInfo;
#[cfg(feature = "tonic-health")]
pub use grpc_health::{GrpcHealth, Watch as GrpcHealthWatch, grpc_health};
pub use handed_over::Listener;
pub use layer::{Track, TrackBody, TrackBodyError, TrackFuture, TrackLayer};
pub use probe::Probes;
pub use protocol::{Http1Settings, Http2Settings};
#[cfg(feature = "proxy-header")]
pub use proxy_protocol::{BadSource, ProxyProtocol};
pub use request_name::request_name;
pub use source::{ServicePerConnection, ServiceSource, SharedService};
#[cfg(feature = "rustls")]
pub use tls::Tls;
