//! The top floor: puts signals, components, closers and probes together and runs them through the
//! phases.
//!
//! | room | what is in it |
//! |---|---|
//! | [`builder`] | [`Lifecycle`]: what there is to run |
//! | [`run`] | one life, from `Starting` to `Stopped` |
//! | [`lame_duck`] | how long the process goes on serving |
//! | [`component`] | the shape of what is started and drained |

mod builder;
pub(crate) mod component;
mod lame_duck;
mod run;
#[cfg(test)]
mod tests;

pub use builder::Lifecycle;
pub use component::BoxError;
pub(crate) use component::BoxFuture;
