//! TLS by `rustls`, between the socket and the tap.
//!
//! | room | what is in it |
//! |---|---|
//! | [`settings`] | what an application says about it |
//! | [`clients`] | which clients have to show a certificate |
//! | [`files`] | a certificate and its key, as files |
//! | [`provider`] | whose cryptography it is |
//! | [`reload`] | the pair in use, replaced when the files change |
//! | [`handshake`] | from the connection to the first byte of HTTP |
//! | [`session`], [`records`] | the bytes, and where one record ends and the next begins |

mod clients;
mod files;
mod handshake;
mod provider;
mod records;
mod reload;
mod session;
mod settings;

pub(super) use handshake::handshake;
pub(super) use session::Session;
pub use settings::Tls;
