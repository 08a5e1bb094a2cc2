//! Why a shutdown began, in words.

use std::fmt;

use crate::system::signal_set::signal_name;

/// Why a shutdown began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A signal, by number.
    Signal(i32),
    /// A signal that a key of the terminal has made: Ctrl-C.
    Key(i32),
    /// Somebody asked, in these words.
    Asked(String),
    /// A component failed.
    Failed(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Signal(n) | Reason::Key(n) => f.write_str(&signal_name(*n)),
            Reason::Asked(why) => f.write_str(why),
            Reason::Failed(component) => write!(f, "the failure of {component}"),
        }
    }
}
