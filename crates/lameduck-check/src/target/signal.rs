//! The signal that asks the target to stop.

use std::fmt;
use std::str::FromStr;

use rustix::process::Signal;

/// A signal that asks a process to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: what Kubernetes, systemd and `docker stop` send.
    #[default]
    Term,
    /// SIGINT: what Ctrl-C sends.
    Int,
    /// SIGQUIT: what nginx and uWSGI take for a graceful stop.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGUSR1: what HAProxy takes for a soft stop.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGWINCH: what Apache httpd takes for a graceful stop.
    Winch,
}

const NAMES: [(&str, StopSignal, Signal); 7] = [
    ("TERM", StopSignal::Term, Signal::TERM),
    ("INT", StopSignal::Int, Signal::INT),
    ("QUIT", StopSignal::Quit, Signal::QUIT),
    ("HUP", StopSignal::Hup, Signal::HUP),
    ("USR1", StopSignal::Usr1, Signal::USR1),
    ("USR2", StopSignal::Usr2, Signal::USR2),
    ("WINCH", StopSignal::Winch, Signal::WINCH),
];

impl StopSignal {
    pub(super) fn to_signal(self) -> Signal {
        NAMES
            .iter()
            .find(|(_, signal, _)| *signal == self)
            .map_or(Signal::TERM, |(_, _, signal)| *signal)
    }

    /// The number, as in `kill -15` and in exit codes of the form 128+n.
    pub fn number(self) -> i32 {
        self.to_signal().as_raw()
    }
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES
            .iter()
            .find(|(_, signal, _)| signal == self)
            .map_or("TERM", |(name, _, _)| name);
        write!(f, "SIG{name}")
    }
}

impl FromStr for StopSignal {
    type Err = String;

    /// Understands `TERM`, `SIGTERM` and `15`, in any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        NAMES
            .iter()
            .find(|(known, _, signal)| *known == name || signal.as_raw().to_string() == name)
            .map(|(_, signal, _)| *signal)
            .ok_or_else(|| {
                format!("`{text}` is not a signal that asks a process to stop; expected TERM, INT, QUIT, HUP, USR1, USR2 or WINCH")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_name_and_by_number() {
        for text in ["TERM", "sigterm", "15"] {
            assert_eq!(text.parse(), Ok(StopSignal::Term));
        }
        assert_eq!(StopSignal::Term.to_string(), "SIGTERM");
        assert_eq!(StopSignal::Int.number(), 2);
    }

    #[test]
    fn a_signal_that_cannot_be_handled_is_turned_down_by_name() {
        let error = "KILL".parse::<StopSignal>().unwrap_err();
        assert!(
            error.contains("`KILL`") && error.contains("TERM"),
            "{error}"
        );
    }
}
