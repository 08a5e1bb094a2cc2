//! The top floor: puts signals, components, closers and probes together and runs them through the
//! phases.
//!
//! | room | what is in it |
//! |---|---|
//! | [`builder`] | [`Lifecycle`]: what there is to run |
//! | [`additions`] | components that are added while the process runs |
//! | [`admin`] | the probes' port |
//! | [`running_components`] | the components at work |
//! | [`process`] | the process that it owns, and what becomes of it afterwards |
//! | [`run`] | one life, from `Starting` to `Stopped` |
//! | [`lame_duck`] | how long the process goes on serving |
//! | [`started`] | components that have not begun their work |
//! | [`starting`] | steps of the start-up that may fail |
//! | [`signals`], [`signal_hooks`] | which signals mean a shutdown, and what is run at others |
//! | [`task`] | a background task as a component |
//! | [`dependencies`] | who uses what, and so who ends after whom |

mod additions;
mod admin;
mod builder;
mod dependencies;
mod lame_duck;
mod process;
mod run;
mod running_components;
mod signal_hooks;
mod signals;
mod started;
mod starting;
mod task;
#[cfg(test)]
mod tests;

pub use additions::NotStarted;
pub use builder::Lifecycle;
