//! How a target ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

/// How the target ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessExit {
    /// When.
    pub at: Instant,
    /// Its exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// It did not end before the prover had sent its clients away, 1 s after its grace or after what else it was
    /// waited for.
    pub released: bool,
    /// The prover had to kill it, 1 s after that.
    pub killed: bool,
    /// It still ran 5 s after its grace, and was left running: it is not the prover's to kill.
    pub left: bool,
}

impl ProcessExit {
    /// It is gone, and nobody saw how.
    pub(crate) fn unseen() -> Self {
        Self {
            at: Instant::now(),
            code: None,
            signal: None,
            released: false,
            killed: false,
            left: false,
        }
    }

    /// Whether it is known how it ended.
    pub fn is_seen(&self) -> bool {
        self.code.or(self.signal).is_some()
    }

    /// As a status of wait(2) says it.
    pub(crate) fn of(status: i32, at: Instant) -> Self {
        let status = ExitStatus::from_raw(status);
        Self {
            at,
            code: status.code(),
            signal: status.signal(),
            ..Self::unseen()
        }
    }

    /// As a shell shows it: the code, or 128 + the signal.
    pub fn shell_code(&self) -> i32 {
        self.code.unwrap_or_else(|| 128 + self.signal.unwrap_or(0))
    }

    /// The code as a shell shows it; `None` if nobody saw it.
    pub fn seen_code(&self) -> Option<i32> {
        self.is_seen().then(|| self.shell_code())
    }

    /// In a word or two.
    pub(crate) fn in_brief(&self) -> String {
        match (self.killed, self.left, self.seen_code()) {
            (true, ..) => "killed".to_owned(),
            (_, true, _) => "left running".to_owned(),
            (_, _, Some(code)) => format!("exit {code}"),
            (_, _, None) => "ended".to_owned(),
        }
    }

    /// In words, for evidence.
    pub fn describe(&self) -> String {
        if self.killed {
            return "had to be killed".to_owned();
        }
        if self.left {
            return "still ran, and was left running".to_owned();
        }
        let how = match self.code {
            Some(code) => format!("exit code {code}"),
            None if !self.is_seen() => "ended, nobody saw with which exit code".to_owned(),
            None => format!("ended by signal {}", self.signal.unwrap_or(0)),
        };
        match self.released {
            true => format!("{how}, once its clients had been sent away"),
            false => how,
        }
    }
}
