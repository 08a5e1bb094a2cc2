//! The process: its signals, its terminal, its end. Threads that need no async runtime.

pub(crate) mod final_report;
mod repeats;
pub(crate) mod signal;
pub(crate) mod terminal;
pub(crate) mod watchdog;
