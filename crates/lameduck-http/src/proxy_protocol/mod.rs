//! The PROXY protocol: what a proxy says of its client before all else.

pub(crate) mod header;
pub(crate) mod settings;
