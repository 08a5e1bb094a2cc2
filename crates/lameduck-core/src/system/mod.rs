//! The few system calls that have no safe wrapper, and sets of signals.

pub mod signal_set;
pub mod sys;
