//! What of a target can be seen and done: a promise that needs more than that is not tried on it.

use std::fmt;

/// Something that a target lets the prover see or do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// It can be stopped and started again, as often as it takes.
    Restart,
    /// The moment at which it was asked to stop is known.
    SignalMoment,
    /// Its end is seen.
    End,
    /// Its exit code is seen.
    ExitCode,
    /// What it writes is seen.
    Output,
    /// All the processes that it starts are seen, wherever they go.
    Tree,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "it cannot be started again",
            Self::SignalMoment => "the moment at which it is asked to stop is not known",
            Self::End => "its end is not seen",
            Self::ExitCode => "its exit code is not seen",
            Self::Output => "what it writes is not seen",
            Self::Tree => "the processes that it started are not ours to see",
        })
    }
}

/// What a target lets the prover see and do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What the target is, for people: `a command`.
    pub(crate) of: &'static str,
    has: &'static [Capability],
}

impl Capabilities {
    /// A command that the prover starts and stops.
    pub const COMMAND: Self = Self {
        of: "a command",
        has: &[
            Capability::Restart,
            Capability::SignalMoment,
            Capability::End,
            Capability::ExitCode,
            Capability::Output,
            Capability::Tree,
        ],
    };

    /// A process that runs already: it is somebody else's.
    pub const PID: Self = Self {
        of: "a process that runs already",
        has: &[Capability::SignalMoment, Capability::End],
    };

    /// What a trigger replaces or stops: nobody knows when it is asked to, or how it ends.
    pub const TRIGGER: Self = Self {
        of: "what a trigger replaces",
        has: &[],
    };

    /// Whether the target has it.
    pub fn has(&self, capability: Capability) -> bool {
        self.has.contains(&capability)
    }

    /// The first of these that it lacks.
    pub(crate) fn lacks(&self, needed: &[Capability]) -> Option<Capability> {
        needed.iter().copied().find(|needed| !self.has(*needed))
    }
}
