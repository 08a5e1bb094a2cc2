//! The faults, by what they are about.

mod accounts;
mod answers;
mod bodies;
mod connections;
mod deploys;
mod ends;
mod right;
mod streams;

use std::sync::LazyLock;

use super::fault::Fault;
use crate::planted::Planted;

use Planted::{Node, Python, Rust};

/// All of them, in the order of the table.
pub static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let rooms = [
        right::faults(),
        answers::faults(),
        bodies::faults(),
        connections::faults(),
        streams::faults(),
        ends::faults(),
        accounts::faults(),
        deploys::faults(),
    ];
    rooms.into_iter().flatten().collect()
});

/// The three languages, and parts of them.
const ALL: &[Planted] = &[Rust, Python, Node];
const RUST: &[Planted] = &[Rust];
const PYTHON: &[Planted] = &[Python];
const NODE: &[Planted] = &[Node];
const SCRIPTS: &[Planted] = &[Python, Node];
