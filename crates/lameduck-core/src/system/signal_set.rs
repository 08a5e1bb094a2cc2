//! Signals by name, and sets of them.
//!
//! # What must hold
//!
//! 1. A name that is understood is one of [`NAMES`], whatever its case, with or without `SIG`.
//! 2. A signal that cannot be caught, or that tells of a fault of the program itself, has no place here.
//!
//! Pure: nothing is registered anywhere.

use std::fmt;

/// The number of SIGINT everywhere POSIX reaches.
pub const SIGINT: i32 = 2;
/// That of SIGTERM.
pub const SIGTERM: i32 = 15;
/// That of SIGHUP.
pub const SIGHUP: i32 = 1;
/// That of SIGQUIT.
pub const SIGQUIT: i32 = 3;

/// What an application may ask for.
#[cfg(unix)]
const NAMES: &[(&str, i32)] = &[
    ("TERM", SIGTERM),
    ("INT", SIGINT),
    ("QUIT", SIGQUIT),
    ("HUP", SIGHUP),
    ("USR1", libc::SIGUSR1),
    ("USR2", libc::SIGUSR2),
    ("WINCH", libc::SIGWINCH),
    ("ALRM", libc::SIGALRM),
    ("CONT", libc::SIGCONT),
    ("IO", libc::SIGIO),
    ("URG", libc::SIGURG),
    #[cfg(target_os = "linux")]
    ("PWR", libc::SIGPWR),
];

/// What an application may ask for.
#[cfg(not(unix))]
const NAMES: &[(&str, i32)] = &[("TERM", SIGTERM), ("INT", SIGINT)];

/// Those that no process can do anything sensible about.
const IMPOSSIBLE: &[&str] = &[
    "KILL", "STOP", "SEGV", "ILL", "FPE", "BUS", "ABRT", "TRAP", "SYS",
];

/// What is no name of a signal that an application may ask for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; expected the names of signals, for example TERM,INT,QUIT")]
pub struct BadSignal(String);

/// The number of `name`.
pub fn number(name: &str) -> Result<i32, BadSignal> {
    let plain = name.trim().to_ascii_uppercase();
    let plain = plain.strip_prefix("SIG").unwrap_or(&plain);
    match NAMES.iter().find(|(it, _)| *it == plain) {
        Some((_, number)) => Ok(*number),
        None if IMPOSSIBLE.contains(&plain) => Err(BadSignal(format!(
            "SIG{plain} cannot be caught, or tells of a fault in the program"
        ))),
        None => {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            Err(BadSignal(format!("{name:?} is none of {names}")))
        }
    }
}

/// `SIGTERM` for 15, and so on.
pub fn signal_name(signal: i32) -> String {
    match NAMES.iter().find(|(_, number)| *number == signal) {
        Some((name, _)) => format!("SIG{name}"),
        None => format!("signal {signal}"),
    }
}

/// A set of signals. Only those with a number below 64, which all with a name are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// What begins a shutdown by default: all four that would end a process for which nobody has
    /// made provision, and drop what it is doing.
    pub const DEFAULT: SignalSet = SignalSet::EMPTY
        .with(SIGTERM)
        .with(SIGINT)
        .with(SIGQUIT)
        .with(SIGHUP);

    pub const EMPTY: SignalSet = SignalSet(0);

    /// Those of [`DEFAULT`](SignalSet::DEFAULT) that give way to whoever has another use for them.
    pub const YIELDING: SignalSet = SignalSet::EMPTY.with(SIGQUIT).with(SIGHUP);

    pub const fn with(self, signal: i32) -> SignalSet {
        SignalSet(self.0 | bit(signal))
    }

    pub const fn without(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    pub const fn and(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & other.0)
    }

    pub const fn has(self, signal: i32) -> bool {
        self.0 & bit(signal) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = i32> {
        (1..64).filter(move |signal| self.has(*signal))
    }

    /// The set of `names`.
    pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<SignalSet, BadSignal> {
        names.into_iter().try_fold(SignalSet::EMPTY, |set, name| {
            Ok(set.with(number(name.as_ref())?))
        })
    }

    /// The set of a list such as `TERM,INT,QUIT`.
    pub fn parse(list: &str) -> Result<SignalSet, BadSignal> {
        SignalSet::of(list.split(','))
    }
}

const fn bit(signal: i32) -> u64 {
    match signal {
        1..64 => 1 << signal,
        _ => 0,
    }
}

/// `SIGTERM, SIGINT`.
impl fmt::Display for SignalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(signal_name).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_in_every_usual_form() {
        let set = SignalSet::parse("TERM, sigint,Quit").unwrap();
        assert_eq!(
            set,
            SignalSet::DEFAULT.without(SignalSet::EMPTY.with(SIGHUP))
        );
        assert_eq!(set.to_string(), "SIGINT, SIGQUIT, SIGTERM");
        assert_eq!(SignalSet::of(["SIGUSR1"]).unwrap().to_string(), "SIGUSR1");
    }

    #[test]
    fn what_cannot_be_is_refused_with_an_example() {
        for bad in [
            "KILL",
            "TERM,SIGSEGV",
            "15",
            "TERM;INT",
            "TERM,,INT",
            ",",
            "CHLD",
        ] {
            let problem = SignalSet::parse(bad).unwrap_err().to_string();
            assert!(problem.contains("TERM,INT,QUIT"), "{bad}: {problem}");
        }
    }

    #[test]
    fn every_name_has_a_number_that_has_that_name() {
        for (name, it) in NAMES {
            assert_eq!(signal_name(*it), format!("SIG{name}"));
            assert!(SignalSet::EMPTY.with(*it).has(*it));
        }
        assert_eq!(signal_name(50), "signal 50");
    }
}
