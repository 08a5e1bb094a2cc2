//! The verdicts, for people and for machines.

mod json;
mod table;

pub use json::json;
pub use table::{Look, table};
