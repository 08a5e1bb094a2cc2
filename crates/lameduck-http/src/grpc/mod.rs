//! What of gRPC a server itself has to know.

#[cfg(feature = "tonic-health")]
pub(crate) mod health;
pub(crate) mod status;
