//! The rounds: each starts the target once, stops it once, and returns what was seen. One file per kind.

mod control;
mod crowd;
pub(crate) mod episode;
pub(crate) mod idle;
mod lasting;
pub(crate) mod load;
pub(crate) mod scene;
pub(crate) mod second_signal;
pub(crate) mod settle;
pub(crate) mod startup;
pub(crate) mod stuck;
