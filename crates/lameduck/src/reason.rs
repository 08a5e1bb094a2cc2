//! Why a shutdown began, in words.

use std::fmt;

/// The number of SIGINT everywhere POSIX reaches.
pub(crate) const SIGINT: i32 = 2;

/// `SIGTERM` for 15, and so on.
pub(crate) fn signal_name(signal: i32) -> String {
    match signal {
        1 => "SIGHUP".to_owned(),
        2 => "SIGINT".to_owned(),
        3 => "SIGQUIT".to_owned(),
        15 => "SIGTERM".to_owned(),
        n => format!("signal {n}"),
    }
}

/// Why a shutdown began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A signal, by number.
    Signal(i32),
    /// Somebody asked, in these words.
    Asked(String),
    /// A component failed.
    Failed(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Signal(n) => f.write_str(&signal_name(*n)),
            Reason::Asked(why) => f.write_str(why),
            Reason::Failed(component) => write!(f, "the failure of {component}"),
        }
    }
}
