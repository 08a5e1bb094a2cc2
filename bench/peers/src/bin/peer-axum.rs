//! axum as its documentation writes it.

fn main() {}
