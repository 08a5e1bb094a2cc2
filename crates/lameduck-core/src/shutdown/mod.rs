//! What every part of a process knows of its shutdown: the phase, the budget, the ledger, by one
//! [`Handle`](handle::Handle).

pub mod budget;
pub(crate) mod dependents;
pub(crate) mod exit;
pub(crate) mod handle;
pub mod phase;
pub mod reason;
mod spawn;
pub(crate) mod tokens;
pub mod traffic;
