//! From an address to accepted sockets, of which none is lost when the listener closes.

pub(crate) mod accept_error;
pub(crate) mod bind;
#[cfg(target_os = "linux")]
mod half_open;
pub(crate) mod lossless_listener;
pub(crate) mod socket;
