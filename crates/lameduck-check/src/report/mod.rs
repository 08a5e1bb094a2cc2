//! The verdicts, for people and for machines.

mod json;
mod look;
mod scale;
mod table;
#[cfg(test)]
mod tests;
mod timeline;

pub use json::json;
pub use look::Look;
pub use table::table;
pub use timeline::{Phase, timeline};
