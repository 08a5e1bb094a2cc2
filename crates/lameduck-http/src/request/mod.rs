//! One request: its entry in the ledger, the service that answers it, and its response to the last byte.

pub(crate) mod body_fault;
pub(crate) mod connection_lifetime;
pub(crate) mod draining;
pub(crate) mod extension;
pub(crate) mod in_flight;
pub(crate) mod probers;
pub(crate) mod request_name;
mod service_call;
mod tracked_body;
pub(crate) mod tracked_service;
mod unread;
