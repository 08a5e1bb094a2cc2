//! For servers that are not ours: the listener in place of their socket, the layer around their service.

#[cfg(feature = "axum")]
mod for_axum;
pub(crate) mod foreign_listener;
mod header_queue;
pub(crate) mod layer;
