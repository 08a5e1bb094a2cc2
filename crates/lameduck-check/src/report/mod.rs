//! The verdicts, for people and for machines.

mod json;
mod table;
#[cfg(test)]
mod tests;

pub use json::json;
pub use table::{Look, table};
