//! The loads: one file per kind of client, all on one floor ([`stage`]), over one client ([`http1`]), into one
//! [`notebook`].

pub(crate) mod answer;
pub(crate) mod attempt;
pub(crate) mod barrier;
pub(crate) mod connection;
pub(crate) mod control;
pub(crate) mod cores;
pub(crate) mod download;
pub(crate) mod frames;
pub(crate) mod grpc;
pub(crate) mod grpc_health;
#[cfg(test)]
mod grpc_tests;
pub(crate) mod h2;
pub(crate) mod h2_slow_client;
#[cfg(test)]
mod h2_slow_client_tests;
#[cfg(test)]
mod header_tests;
pub(crate) mod http1;
pub(crate) mod idle;
pub(crate) mod keep_alive;
pub(crate) mod notebook;
mod opening;
pub(crate) mod order;
mod own_pace;
pub(crate) mod per_request;
pub(crate) mod pool;
pub(crate) mod probe;
pub(crate) mod slow;
pub(crate) mod slow_client;
#[cfg(test)]
mod slow_client_tests;
pub(crate) mod sse;
#[cfg(test)]
mod sse_tests;
pub(crate) mod stage;
#[cfg(test)]
mod tests;
pub(crate) mod tls_handshake;
#[cfg(test)]
mod tls_handshake_tests;
#[cfg(test)]
mod tls_tests;
pub(crate) mod unread;
pub(crate) mod upload;
pub(crate) mod websocket;
#[cfg(test)]
mod websocket_tests;
