//! Whether the process tells details that may hold secrets: the queries of requests, the errors of readiness
//! checks, the values in SQL.
//!
//! One setting for the process, as its environment variable is: names are made and errors told in places
//! that know of no lifecycle.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static TOLD: AtomicBool = AtomicBool::new(false);

/// Sets it. Default: they are not told.
pub fn tell(on: bool) {
    TOLD.store(on, Relaxed);
}

/// Whether they are told.
#[inline]
pub fn are_told() -> bool {
    TOLD.load(Relaxed)
}

/// Stands for the error of a check.
pub const NOT_TOLD: &str = "why is not told without LAMEDUCK_DETAILS=on";
