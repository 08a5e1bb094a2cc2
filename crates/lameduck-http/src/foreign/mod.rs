//! For servers that are not ours: the listener in place of their socket, the layer around their service.

#[cfg(feature = "axum")]
mod for_axum;
pub(crate) mod foreign_listener;
mod hand_off;
pub(crate) mod layer;
