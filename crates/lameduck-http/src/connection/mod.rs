//! One connection: what is known of it, its bytes, and when it has to go.

pub(crate) mod conn;
pub(crate) mod connection_info;
pub(crate) mod connection_list;
pub(crate) mod facts;
#[cfg(feature = "axum")]
pub(crate) mod for_axum;
#[cfg(feature = "tonic")]
pub(crate) mod for_tonic;
pub(crate) mod linger;
pub(crate) mod observed_stream;
pub(crate) mod pauses;
pub(crate) mod request_settings;
pub(crate) mod stream;
pub(crate) mod sweep;
pub(crate) mod tunnel;
