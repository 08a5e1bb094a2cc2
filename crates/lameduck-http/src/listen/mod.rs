//! From an address to accepted sockets, of which none is lost when the listener closes.

pub(crate) mod accept_error;
pub(crate) mod bind;
mod close_time;
#[cfg(target_os = "linux")]
mod half_open;
mod listening_socket;
pub(crate) mod lossless_listener;
pub(crate) mod socket;
#[cfg(target_os = "linux")]
mod turn_away;
