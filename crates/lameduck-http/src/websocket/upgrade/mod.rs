//! From a request to a socket with a handler.

#[cfg(feature = "axum")]
mod for_axum;
pub(super) mod socket_task;
pub(super) mod upgrade_error;
pub(super) mod websocket_upgrade;
