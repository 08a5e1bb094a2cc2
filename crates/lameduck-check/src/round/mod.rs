//! The rounds: each starts the target once, stops it once, and returns what was seen. One file per kind.

mod control;
mod crowd;
pub(crate) mod episode;
pub(crate) mod idle;
pub(crate) mod load;
mod loads;
pub(crate) mod scene;
pub(crate) mod second_signal;
pub(crate) mod settle;
mod start;
pub(crate) mod startup;
pub(crate) mod stuck;
