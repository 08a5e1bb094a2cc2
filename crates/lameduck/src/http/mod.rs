//! An HTTP/1.1 and HTTP/2 server for any tower service, that loses no request when it stops.
//!
//! | room | what is in it |
//! |---|---|
//! | [`component`] | its settings, and its place in a lifecycle |
//! | [`listener`] | sockets that listen, and how to stop without a reset |
//! | [`half_open`] | handshakes under way, as the kernel lists them |
//! | [`server`] | the accept loop and the list of connections |
//! | [`connection`] | one connection, from its first byte to the last of HTTP |
//! | [`linger`] | the FIN |
//! | [`socket`] | the bytes under it, and the tap that notes them |
//! | [`sweep`] | who is closed when |
//! | [`request`], [`body`] | one request and its response, in the ledger |
//! | [`layer`] | the same bookkeeping for servers that are not ours |

/// The kind under which a request is in the ledger.
pub(crate) const REQUEST: &str = "request";

mod body;
pub(crate) mod component;
mod connection;
#[cfg(target_os = "linux")]
mod half_open;
pub(crate) mod layer;
mod linger;
pub(crate) mod listener;
mod request;
pub(crate) mod server;
mod socket;
mod sweep;
