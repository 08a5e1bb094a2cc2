//! How a socket ends: when its turn comes, and what is said.

pub(super) mod close_plan;
pub(super) mod closing_handshake;
pub(super) mod pacer;
