#![doc = include_str!("../README.md")]
//!
//! | who has | takes |
//! |---|---|
//! | a tower service | [`Http`], which is a component of a lifecycle |
//! | a server of his own | [`Listener`] in place of its socket, [`TrackLayer`] around its service |
//! | WebSockets | `websocket`, on either |
//! | event streams | nothing: they end between two events; [`EventStreams`] has the settings |
//! | handlers that wait for long | [`Draining`] |
//! | handlers that end their connection | [`ConnectionLifetime`] |
//! | an orchestrator that asks | [`Probes`]; on the service's own port [`ProbeService`]; `grpc_health` for gRPC |
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

mod connection;
#[doc(hidden)]
pub mod doc;
mod event_stream;
mod foreign;
mod grpc;
mod listen;
mod opening;
mod probe;
#[cfg(feature = "proxy-header")]
mod proxy_protocol;
mod request;
mod server;
mod system;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use connection::connection_info::ConnectionInfo;
pub use connection::facts::ConnectionAddr;
#[cfg(feature = "axum")]
pub use connection::for_axum::NoConnectionInfo;
pub use event_stream::events::{EndsItself, EventStreams};
pub use foreign::foreign_listener::Listener;
pub use foreign::layer::{Track, TrackBody, TrackBodyError, TrackFuture, TrackLayer};
#[cfg(feature = "tonic-health")]
pub use grpc::health::{GrpcHealth, GrpcHealthWatch, grpc_health};
pub use listen::bind::Bind;
pub use probe::{ProbeBody, ProbeService, Probes};
#[cfg(feature = "proxy-header")]
pub use proxy_protocol::settings::{BadSource, ProxyProtocol};
pub use request::connection_lifetime::ConnectionLifetime;
pub use request::draining::{Draining, NoHandle};
pub use request::request_name::request_name;
pub use server::component::Http;
pub use server::protocol::{Http1Settings, Http2Settings};
pub use server::service_source::{ServicePerConnection, ServiceSource, SharedService};
#[cfg(feature = "rustls")]
pub use tls::Tls;
