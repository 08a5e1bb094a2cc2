//! How a process ends: the return type of `main`.

use std::process::{ExitCode, Termination};

/// The exit code that a lifecycle has earned. Return it from `main`.
///
/// | code | meaning |
/// |---|---|
/// | 0 | nothing was let go |
/// | 1 | a component failed |
/// | 2 | bad configuration |
/// | 124 | something was let go, or the deadline passed |
/// | 128 + n | ended by a repeated signal n |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "return it from `main`, so that whoever started the process sees how it ended"]
pub struct Exit(u8);

impl Exit {
    /// Nothing was let go.
    pub const CLEAN: Exit = Exit(0);
    /// A component failed.
    pub const FAILED: Exit = Exit(1);
    /// The configuration cannot be used.
    pub const BAD_CONFIGURATION: Exit = Exit(2);
    /// Something was let go.
    pub const LET_GO: Exit = Exit(124);

    pub(crate) fn from_code(code: u8) -> Exit {
        Exit(code)
    }

    /// The code.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.0.into()
    }
}
