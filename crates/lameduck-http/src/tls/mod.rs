//! TLS by `rustls`, between the socket and HTTP.
//!
//! | room | what is in it |
//! |---|---|
//! | [`settings`] | what an application says about it |
//! | [`clients`] | which clients have to show a certificate |
//! | [`files`] | a certificate and its key, as files |
//! | [`provider`] | whose cryptography it is |
//! | [`reload`] | the pair in use, replaced when the files change |
//! | [`session`], [`records`] | the bytes, and where one record ends and the next begins |

mod clients;
mod files;
mod provider;
mod records;
mod reload;
mod session;
mod settings;

#[cfg(feature = "tonic")]
pub(crate) use session::TonicTlsInfo;
pub(crate) use session::{RecordSocket, TlsSession};
pub use settings::Tls;
