//! What a connection begins with before HTTP: the header of a proxy, a TLS handshake.

#[cfg(any(feature = "rustls", feature = "proxy-header"))]
mod first_byte;
pub(crate) mod preamble;
#[cfg(feature = "rustls")]
mod tls_handshake;
