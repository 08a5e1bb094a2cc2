//! What there is to say of a shutdown: its phases, its budget, its reason, its end. Nothing here does anything.

pub mod budget;
pub(crate) mod dependents;
pub(crate) mod exit;
pub(crate) mod forced_end;
pub mod phase;
pub mod reason;
pub mod traffic;
