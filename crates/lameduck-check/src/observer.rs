//! What a run tells while it runs.

use std::time::Duration;

use crate::ledger::{Round, RoundKind};

/// Something that happened in a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run knows how many rounds it will have.
    Planned {
        /// Rounds of every kind.
        rounds: u32,
        /// How many of each kind, in order.
        kinds: &'a [(RoundKind, u32)],
        /// What they are likely to take, all in all.
        takes: Duration,
        /// What they may take.
        budget: Option<Duration>,
    },
    /// A round is about to begin.
    Expected {
        /// What the run is likely to take from now on, by what it took until now.
        left: Duration,
    },
    /// A round began: the target is being started.
    RoundBegan {
        /// Its number, from 1.
        number: u32,
        /// What it is for.
        kind: RoundKind,
    },
    /// The signal was sent (in some rounds more than once).
    Signalled {
        /// The round's number.
        number: u32,
        /// What the round is for.
        kind: RoundKind,
    },
    /// A round is over: the target has ended, and every request is accounted for.
    RoundEnded {
        /// Everything that was seen in it.
        round: &'a Round,
    },
}

/// Is told what happens; called from the run's own task, so it must not block for long.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn on(&self, event: &Event<'_>);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: &Event<'_>) {}
}
