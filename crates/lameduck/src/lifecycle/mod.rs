//! The top floor: puts signals, components, closers and probes together and runs them through the
//! phases.
//!
//! | room | what is in it |
//! |---|---|
//! | [`builder`] | [`Lifecycle`]: what there is to run |
//! | [`admin`] | the probes' port |
//! | [`run`] | one life, from `Starting` to `Stopped` |
//! | [`lame_duck`] | how long the process goes on serving |
//! | [`task`] | a background task as a component |

mod admin;
mod builder;
mod lame_duck;
mod run;
mod task;
#[cfg(test)]
mod tests;

pub use builder::Lifecycle;
