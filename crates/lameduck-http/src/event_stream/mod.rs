//! Event streams, and how they end between two events.

pub(crate) mod body;
pub(crate) mod events;
